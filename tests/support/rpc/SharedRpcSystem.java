import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.rpc.RpcSystem;
import org.apache.flink.runtime.rpc.RpcSystemLoader;
import org.apache.flink.runtime.rpc.pekko.PekkoRpcSystemLoader;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;

/** The RPC system of all local clusters of a JVM: Flink's own, loaded once and closed by none of them. */
public final class SharedRpcSystem implements RpcSystemLoader {

    private static RpcSystem shared;

    @Override
    public int getLoadPriority() {
        return -1; // before Flink's own loader, which has 0
    }

    @Override
    public RpcSystem loadRpcSystem(Configuration configuration) {
        synchronized (SharedRpcSystem.class) {
            if (shared == null) {
                shared = neverClosed(new PekkoRpcSystemLoader().loadRpcSystem(configuration));
            }
            return shared;
        }
    }

    private static RpcSystem neverClosed(RpcSystem system) {
        return (RpcSystem)
                Proxy.newProxyInstance(
                        RpcSystem.class.getClassLoader(),
                        new Class<?>[] {RpcSystem.class},
                        (proxy, method, arguments) -> {
                            if (method.getName().equals("close")) {
                                return null;
                            }
                            try {
                                return method.invoke(system, arguments);
                            } catch (InvocationTargetException thrown) {
                                throw thrown.getCause();
                            }
                        });
    }
}
