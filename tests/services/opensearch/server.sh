# Read by ../start.
name=OpenSearch main=gossamer.services.OpensearchNode
oldest=17 newest=23 java_home=${OS_JAVA_HOME:-} heap=${OS_HEAP:-512m}
missing="the OpenSearch tests need a Java from 17 to 23: apt-get install openjdk-17-jdk-headless (looked in OS_JAVA_HOME, JAVA_HOME, /usr/lib/jvm)"
flags=(-Djava.security.manager=allow)

assemble() {
    "$javac/bin/javac" -nowarn --release 17 -cp "$1/lib/*" -d "$1/classes" "$here/opensearch/OpensearchNode.java"
}
