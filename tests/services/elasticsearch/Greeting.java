package gossamer.services;

import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;

/** Answers GET / with name and version: the vendor's module that does so is no jar of Maven Central. */
public final class Greeting extends Plugin implements ActionPlugin {
    @Override
    public List<RestHandler> getRestHandlers(RestHandlersServices services, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
        return List.of(new Root());
    }

    private static final class Root extends BaseRestHandler {
        @Override
        public String getName() {
            return "greeting";
        }

        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            return channel -> {
                var answer = channel.newBuilder().startObject().field("name", "node").field("cluster_name", "gossamer-tests");
                answer.startObject("version").field("number", Build.current().version()).endObject();
                channel.sendResponse(new RestResponse(RestStatus.OK, answer.field("tagline", "You Know, for Search").endObject()));
            };
        }
    }
}
