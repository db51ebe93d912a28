package io.github.pyflinktriton;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Gives every class the one logger that the user documentation names. */
final class Log {

    static final Logger LOG = LoggerFactory.getLogger("org.apache.flink.model.triton");

    private Log() {}
}
