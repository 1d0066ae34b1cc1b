# Read by ../start.
name=Elasticsearch main=gossamer.services.ElasticsearchNode
oldest=21 newest=99 java_home=${ES_JAVA_HOME:-} heap=${ES_HEAP:-512m}
missing="the Elasticsearch tests need a JDK 21 or newer: install one and set ES_JAVA_HOME (looked in ES_JAVA_HOME, JAVA_HOME, /usr/lib/jvm)"
flags=(--add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED)

# The node loads HTTP and the answer to GET / as modules, each from a folder of its own with a descriptor.
assemble() {
    local version
    version=$(sed -n 's/.*<server.version>\(.*\)<.*/\1/p' "$here/elasticsearch/pom.xml")
    mkdir -p "$1/answer" "$1/modules/transport-netty4" "$1/modules/greeting"
    "$javac/bin/javac" -nowarn --release 21 -cp "$1/lib/*" -d "$1/classes" "$here/elasticsearch/ElasticsearchNode.java"
    "$javac/bin/javac" -nowarn --release 21 -cp "$1/lib/*" -d "$1/answer" "$here/elasticsearch/Greeting.java"
    "$javac/bin/jar" -c -f "$1/modules/greeting/greeting.jar" -C "$1/answer" .
    mv "$1"/lib/netty-*.jar "$1"/lib/transport-netty4-*.jar "$1/modules/transport-netty4/"
    module transport-netty4 org.elasticsearch.transport.netty4.Netty4Plugin "$1" "$version"
    module greeting gossamer.services.Greeting "$1" "$version"
}

module() {
    printf '%s\n' "name=$1" "description=$1" "version=$4" "elasticsearch.version=$4" java.version=21 "classname=$2" extended.plugins= \
        has.native.controller=false >"$3/modules/$1/plugin-descriptor.properties"
}
