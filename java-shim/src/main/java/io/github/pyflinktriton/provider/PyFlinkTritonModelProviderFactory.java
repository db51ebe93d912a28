package io.github.pyflinktriton.provider;

/** The same provider by another name, for where Flink's Java module has the name {@code triton}. */
public final class PyFlinkTritonModelProviderFactory extends TritonModelProviderFactory {

    @Override
    public String factoryIdentifier() {
        return "pyflink-triton";
    }
}
