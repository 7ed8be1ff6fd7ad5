// Package queue keeps scan requests in JetStream until their workflow has ended.
//
// Two lanes share one work-queue stream: pushes and sweeps, each with its own window, and in it a durable consumer for each
// registry, so that none waits behind another's slow or failing requests. A request is held by in-progress
// acknowledgements while its workflow runs, given back with a growing delay when it failed, and moved to the dead letters
// at its sixth failure. The queue may lose everything at any time: sweeps and the change log rebuild it, so a stream that
// vanished is made again and nothing here is fatal once the first connection stands.
package queue
