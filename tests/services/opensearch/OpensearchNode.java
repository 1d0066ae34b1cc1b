package gossamer.services;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One OpenSearch node in this process. Arguments: HOME DATA_DIR PORT WATCHED_PID [setting=value…]; 0 means any port, and nobody. */
public final class OpensearchNode extends Node {
    private OpensearchNode(Environment environment) {
        super(environment, List.of(Netty4Plugin.class), false);
    }

    public static void main(String[] arguments) throws Exception {
        var out = System.out; // Kept: setting up the log redirects it.
        var data = Path.of(arguments[1]);
        var settings = Settings.builder()
            .put("path.home", arguments[0])
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
        LogConfigurator.configure(environment);
        var node = new OpensearchNode(environment);
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
        node.client().admin().cluster().prepareHealth().setWaitForYellowStatus().get();
        var http = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress();
        out.println("ready http://127.0.0.1:" + http.getPort());
        closed.await();
    }
}
