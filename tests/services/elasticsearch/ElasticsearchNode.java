package gossamer.services;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** One Elasticsearch node in this process. Arguments: HOME DATA_DIR PORT WATCHED_PID [setting=value…]; 0 means any port, and nobody. */
public final class ElasticsearchNode {
    public static void main(String[] arguments) throws Exception {
        var out = System.out; // Kept: setting up the log redirects it.
        var home = Path.of(arguments[0]);
        var data = Path.of(arguments[1]);
        var settings = Settings.builder()
            .put("path.home", home.toString())
            .put("path.data", data.resolve("data").toString())
            .put("path.logs", data.resolve("logs").toString())
            .put("cluster.name", "gossamer-tests")
            .put("node.name", "node")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments[2])
            .put("transport.port", "0")
            .put("cluster.max_shards_per_node", "100000")
            .put("cluster.routing.allocation.disk.threshold_enabled", "false");
        for (int i = 4; i < arguments.length; i++) {
            var setting = arguments[i].split("=", 2);
            settings.put(setting[0], setting[1]);
        }
        var environment = new Environment(settings.build(), data.resolve("config"));
        LogConfigurator.setNodeName("node");
        LogConfigurator.configureESLogging();
        LogConfigurator.configure(environment, true);
        var modules = PluginsLoader.loadModulesBundles(home.resolve("modules"), false);
        var node = new Node(environment, PluginsLoader.createPluginsLoader(modules, Set.of(), Map.of(), false));
        var closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            } finally {
                closed.countDown();
            }
        }));
        ProcessHandle.of(Long.parseLong(arguments[3])).ifPresent(watched -> watched.onExit().thenRun(() -> System.exit(0)));
        node.start();
        node.client().admin().cluster().prepareHealth(TimeValue.timeValueSeconds(60)).setWaitForYellowStatus().get();
        var http = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress();
        out.println("ready http://127.0.0.1:" + http.getPort());
        closed.await();
    }
}
