package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.ProtocolException;
import io.github.pyflinktriton.WorkerException;

/** Takes the one outcome of a request; called by the thread that reads the replies. */
interface ReplyHandler {

    /** The reply, of the kind that was asked for. A {@link ProtocolException} ends the worker. */
    void reply(Frame frame) throws ProtocolException;

    /** There will be no reply, because Python refused or the worker has ended. */
    void failed(WorkerException failure);
}
