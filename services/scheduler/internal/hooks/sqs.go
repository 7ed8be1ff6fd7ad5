package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// sqs is a queue of Amazon SQS to which EventBridge sends ECR's events (Amazon SQS API reference, AWS JSON protocol).
type sqs struct {
	queue  string // its URL
	call   registry.AmazonCall
	amazon *registry.Cloud
}

// sqsRegion finds the region in the host of a queue's URL: its own, FIPS, a private endpoint's, or the old form.
var sqsRegion = regexp.MustCompile(`(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.|^([a-z0-9-]+)\.queue\.amazonaws\.com`)

const (
	// sqsWait is how long SQS holds a call until there are events, in seconds: the most it does.
	sqsWait = 20
	// sqsHidden is how long the events of a call are kept from other callers, in seconds: the time in which we queue them.
	sqsHidden = 120
)

func newSQS(queue string, amazon *registry.Cloud, getenv func(string) string) *sqs {
	s := &sqs{queue: queue, amazon: amazon, call: registry.AmazonCall{Service: "sqs"}}
	u, err := url.Parse(queue)
	if err != nil {
		return s // the configuration was checked; calls say what is wrong with it
	}
	s.call.Endpoint = u.Scheme + "://" + u.Host
	if m := sqsRegion.FindStringSubmatch(u.Hostname()); m != nil {
		s.call.Region = m[1] + m[2]
		return s
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if s.call.Region == "" {
			s.call.Region = getenv(name)
		}
	}
	return s
}

// sqsMessages is the reply to ReceiveMessage.
type sqsMessages struct {
	Messages []struct {
		Receipt string `json:"ReceiptHandle"`
		Body    string `json:"Body"`
	} `json:"Messages"`
}

func (m sqsMessages) waiting() (all []waiting) {
	for _, one := range m.Messages {
		all = append(all, waiting{one.Receipt, []byte(one.Body)})
	}
	return all
}

func (s *sqs) do(ctx context.Context, operation string, in, out any) error {
	call := s.call
	call.Target = "AmazonSQS." + operation
	return s.amazon.Amazon(ctx, call, in, out, maxPulled)
}

func (s *sqs) fetch(ctx context.Context, n int) ([]waiting, error) {
	var reply sqsMessages
	err := s.do(ctx, "ReceiveMessage", map[string]any{
		"QueueUrl": s.queue, "MaxNumberOfMessages": n, "WaitTimeSeconds": sqsWait, "VisibilityTimeout": sqsHidden,
	}, &reply)
	if errors.Is(err, plimsoll.ErrDenied) {
		err = fmt.Errorf("%w; the role needs sqs:ReceiveMessage and sqs:DeleteMessage on hook.sqs_queue", err)
	}
	return reply.waiting(), err
}

func (s *sqs) done(ctx context.Context, receipts []string) error {
	type entry struct {
		ID      string `json:"Id"`
		Receipt string `json:"ReceiptHandle"`
	}
	var entries []entry
	for i, receipt := range receipts {
		entries = append(entries, entry{strconv.Itoa(i), receipt})
	}
	var reply struct {
		Failed []struct {
			Code string `json:"Code"`
		} `json:"Failed"`
	}
	if err := s.do(ctx, "DeleteMessageBatch", map[string]any{"QueueUrl": s.queue, "Entries": entries}, &reply); err != nil {
		return err
	}
	if n := len(reply.Failed); n > 0 {
		return fmt.Errorf("AmazonSQS.DeleteMessageBatch: %w: %d of %d events are not taken out: %.80q", plimsoll.ErrUnavailable, n, len(receipts), reply.Failed[0].Code)
	}
	return nil
}
