//go:build ackearly

package queue

import "github.com/nats-io/nats.go/jetstream"

// acknowledgeEarly is the mistake that loses requests. It is never built but to check that tests of faults fail on it.
func acknowledgeEarly(m jetstream.Msg) { _ = m.Ack() }
