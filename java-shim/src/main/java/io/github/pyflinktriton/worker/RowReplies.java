package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.ProtocolException;

/** Takes predicted rows; called by the thread that reads the replies. */
interface RowReplies {

    /** A {@link ProtocolException} ends the worker. */
    void reply(Frame frame) throws ProtocolException;
}
