//go:build !ackearly

package queue

import "github.com/nats-io/nats.go/jetstream"

// acknowledgeEarly does nothing: a request is acknowledged when its workflow has ended, see settle. A build with the tag
// ackearly is wrong in exactly this, and the faults of services/standalone/faults must notice.
func acknowledgeEarly(jetstream.Msg) {}
