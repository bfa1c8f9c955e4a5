import java.util.Map;
import org.apache.cassandra.config.Config;
import org.apache.cassandra.config.DatabaseDescriptor;
import org.yaml.snakeyaml.Yaml;

/** Loads the cassandra.yaml that -Dcassandra.config names as the server does, and prints what it made of it. */
public class Load {
    public static void main(String[] words) throws Exception {
        DatabaseDescriptor.daemonInitialization();
        Config config = DatabaseDescriptor.getRawConfig();
        print("cluster_name", config.cluster_name);
        print("listen_address", config.listen_address);
        print("rpc_address", config.rpc_address);
        print("broadcast_rpc_address", config.broadcast_rpc_address);
        print("num_tokens", config.num_tokens);
        print("read_request_timeout", DatabaseDescriptor.getReadRpcTimeout(java.util.concurrent.TimeUnit.MILLISECONDS));
        print("write_request_timeout", DatabaseDescriptor.getWriteRpcTimeout(java.util.concurrent.TimeUnit.MILLISECONDS));
        print("materialized_views_enabled", config.materialized_views_enabled);
        print("keystore_password", config.client_encryption_options.keystore_password);
        print("require_client_auth", config.client_encryption_options.require_client_auth);
        print("authenticator", DatabaseDescriptor.getAuthenticator().getClass().getSimpleName());
        print("seeds", DatabaseDescriptor.getSeeds());
        print("rack", DatabaseDescriptor.getLocalDataCenter() + "." + DatabaseDescriptor.getEndpointSnitch().getLocalRack());
        System.exit(0);
    }

    private static void print(String name, Object value) {
        System.out.println(name + "=" + value);
    }
}
