import java.lang.reflect.Method;
import java.net.InetAddress;
import java.util.concurrent.TimeUnit;
import org.apache.cassandra.config.Config;
import org.apache.cassandra.config.DatabaseDescriptor;
import org.apache.cassandra.locator.IEndpointSnitch;

/**
 * Loads the cassandra.yaml that -Dcassandra.config names as the server does, and prints what it made of it. What the
 * releases name differently is looked for by name.
 */
public class Load {
    public static void main(String[] words) throws Exception {
        DatabaseDescriptor.daemonInitialization();
        Config config = DatabaseDescriptor.getRawConfig();
        print("cluster_name", config.cluster_name);
        print("listen_address", config.listen_address);
        print("rpc_address", config.rpc_address);
        print("broadcast_rpc_address", config.broadcast_rpc_address);
        print("num_tokens", config.num_tokens);
        print("read_request_timeout", milliseconds("getReadRpcTimeout"));
        print("write_request_timeout", milliseconds("getWriteRpcTimeout"));
        print("materialized_views_enabled", field(config, "materialized_views_enabled", "enable_materialized_views"));
        print("keystore_password", config.client_encryption_options.keystore_password);
        print("require_client_auth", config.client_encryption_options.require_client_auth);
        print("authenticator", DatabaseDescriptor.getAuthenticator().getClass().getSimpleName());
        print("seeds", DatabaseDescriptor.getSeeds());
        print("rack", DatabaseDescriptor.getLocalDataCenter() + "." + rack(DatabaseDescriptor.getEndpointSnitch()));
        System.exit(0);
    }

    /** In 3.11 without an argument, since then in the unit that is asked for. */
    private static Object milliseconds(String getter) throws Exception {
        for (Method method : DatabaseDescriptor.class.getMethods()) {
            if (!method.getName().equals(getter)) continue;
            return method.getParameterCount() == 0 ? method.invoke(null) : method.invoke(null, TimeUnit.MILLISECONDS);
        }
        throw new NoSuchMethodException(getter);
    }

    private static Object field(Config config, String present, String former) throws Exception {
        try {
            return Config.class.getField(present).get(config);
        } catch (NoSuchFieldException older) {
            return Config.class.getField(former).get(config);
        }
    }

    private static Object rack(IEndpointSnitch snitch) throws Exception {
        try {
            return IEndpointSnitch.class.getMethod("getLocalRack").invoke(snitch);
        } catch (NoSuchMethodException older) {
            Object local = Class.forName("org.apache.cassandra.utils.FBUtilities").getMethod("getBroadcastAddress").invoke(null);
            return IEndpointSnitch.class.getMethod("getRack", InetAddress.class).invoke(snitch, local);
        }
    }

    private static void print(String name, Object value) {
        System.out.println(name + "=" + value);
    }
}
