package queue

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/plimsoll/plimsoll/services/internal/config"
)

// reconnectWait paces reconnection: short, because a restarted server is back within seconds, and jittered by the client.
const reconnectWait = time.Second

// Connect dials the server and keeps the connection for good: it reconnects until it is closed. A server that cannot be
// reached now is no error, because it may come later; [Queue.Ensure] tells.
func Connect(c config.NATS, log *slog.Logger) (*nats.Conn, error) {
	nc, err := nats.Connect(c.URL, connectOptions(c, log)...)
	if err != nil {
		return nil, fmt.Errorf("connect to nats at %s: %w (check nats.url and its credentials)", c.URL, err)
	}
	return nc, nil
}

func connectOptions(c config.NATS, log *slog.Logger) []nats.Option {
	o := []nats.Option{
		nats.Name("plimsoll-scheduler"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("queue disconnected", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("queue connected again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("queue reports an error", "error", err)
		}),
	}
	if c.CredentialsFile != "" {
		o = append(o, nats.UserCredentials(c.CredentialsFile))
	}
	if c.CAFile != "" {
		o = append(o, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		o = append(o, nats.ClientCert(c.CertFile, c.KeyFile)) // read again at each connection
	}
	if c.User != "" {
		o = append(o, nats.UserInfo(c.User, c.Password))
	}
	return o
}
