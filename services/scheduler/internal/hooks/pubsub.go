package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// pubSub is a subscription of Google Pub/Sub to the topic of Artifact Registry (REST reference, projects.subscriptions, v1).
type pubSub struct {
	address string // of the subscription
	google  *registry.Cloud
}

const pubSubAPI = "https://pubsub.googleapis.com"

// newPubSub asks the emulator where one is set, as Google's own libraries do.
func newPubSub(subscription string, google *registry.Cloud, getenv func(string) string) *pubSub {
	base := pubSubAPI
	if host := getenv("PUBSUB_EMULATOR_HOST"); host != "" {
		base = "http://" + host
	}
	return &pubSub{base + "/v1/" + subscription, google}
}

// pubSubMessages is the reply to pull.
type pubSubMessages struct {
	Received []struct {
		Receipt string          `json:"ackId"`
		Message json.RawMessage `json:"message"`
	} `json:"receivedMessages"`
}

// waiting are the messages in the form in which Pub/Sub pushes them.
func (m pubSubMessages) waiting() (all []waiting) {
	for _, one := range m.Received {
		message := one.Message
		if message == nil {
			message = json.RawMessage("null")
		}
		all = append(all, waiting{one.Receipt, bytes.Join([][]byte{[]byte(`{"message":`), message, []byte(`}`)}, nil)})
	}
	return all
}

func (p *pubSub) fetch(ctx context.Context, n int) ([]waiting, error) {
	var reply pubSubMessages
	err := p.google.Google(ctx, p.address+":pull", map[string]any{"maxMessages": n}, &reply, maxPulled)
	if errors.Is(err, plimsoll.ErrDenied) {
		err = fmt.Errorf("%w; the account needs roles/pubsub.subscriber on hook.pubsub_subscription", err)
	}
	return reply.waiting(), err
}

func (p *pubSub) done(ctx context.Context, receipts []string) error {
	return p.google.Google(ctx, p.address+":acknowledge", map[string]any{"ackIds": receipts}, nil, maxPulled)
}
