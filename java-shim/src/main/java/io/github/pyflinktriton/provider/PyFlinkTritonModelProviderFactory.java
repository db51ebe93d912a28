package io.github.pyflinktriton.provider;

/** The same provider by a name of its own, where Flink's Java module claims {@code triton}. */
public final class PyFlinkTritonModelProviderFactory extends TritonModelProviderFactory {

    @Override
    public String factoryIdentifier() {
        return "pyflink-triton";
    }
}
