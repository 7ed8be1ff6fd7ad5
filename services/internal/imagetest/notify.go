package imagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// EventsMediaType is the Content-Type of the CNCF distribution registry's notifications.
const EventsMediaType = "application/vnd.docker.distribution.events.v2+json"

const (
	// notifyQueue bounds what waits to be sent; a push never waits for a receiver, as with the real registry.
	notifyQueue = 10_000
	// notifyTries is how often one notification is sent before it is given up.
	notifyTries = 5
	// notifyPause is the first pause between them; it doubles.
	notifyPause   = 100 * time.Millisecond
	notifyTimeout = 5 * time.Second
)

// event has the fields of a distribution notification that receivers look at.
type event struct {
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Action    string    `json:"action"`
	Target    target    `json:"target"`
	Request   request   `json:"request"`
	Actor     struct{}  `json:"actor"`
	Source    source    `json:"source"`
}

type target struct {
	MediaType  string `json:"mediaType,omitempty"`
	Size       int64  `json:"size,omitempty"`
	Digest     string `json:"digest,omitempty"`
	Length     int64  `json:"length,omitempty"`
	Repository string `json:"repository"`
	URL        string `json:"url,omitempty"`
	Tag        string `json:"tag,omitempty"`
}

type request struct {
	ID        string `json:"id"`
	Addr      string `json:"addr"`
	Host      string `json:"host"`
	Method    string `json:"method"`
	UserAgent string `json:"useragent"`
}

type source struct {
	Addr       string `json:"addr"`
	InstanceID string `json:"instanceID"`
}

// notifier sends notifications in order, from one goroutine that close waits for.
type notifier struct {
	url, secret string
	log         *slog.Logger
	queue       chan event
	cancel      context.CancelFunc
	done        sync.WaitGroup
	sequence    atomic.Int64
}

func newNotifier(o RegistryOptions) *notifier {
	n := &notifier{url: o.Notify, secret: o.Secret, log: o.Log, queue: make(chan event, notifyQueue)}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	if n.url != "" {
		n.done.Go(func() { n.run(ctx) })
	}
	return n
}

func (n *notifier) close() {
	n.cancel()
	n.done.Wait()
}

func (n *notifier) pushed(req *http.Request, rt route, digest string, size int64) {
	e := n.event(req, "push", rt.repository)
	e.Target.MediaType, e.Target.Digest, e.Target.Size, e.Target.Length = req.Header.Get("Content-Type"), digest, size, size
	e.Target.URL = "http://" + req.Host + "/v2/" + rt.repository + "/manifests/" + digest
	if rt.reference != digest {
		e.Target.Tag = rt.reference
	}
	n.add(e)
}

// deleted tells of a delete; the real registry names the digest, or the tag, and the repository alone.
func (n *notifier) deleted(req *http.Request, rt route) {
	e := n.event(req, "delete", rt.repository)
	if strings.Contains(rt.reference, ":") {
		e.Target.Digest = rt.reference
	} else {
		e.Target.Tag = rt.reference
	}
	n.add(e)
}

func (n *notifier) event(req *http.Request, action, repository string) event {
	id := fmt.Sprintf("imagetest-%d", n.sequence.Add(1))
	return event{ID: id, Timestamp: time.Now().UTC(), Action: action, Target: target{Repository: repository},
		Request: request{ID: id, Addr: req.RemoteAddr, Host: req.Host, Method: req.Method, UserAgent: req.UserAgent()},
		Source:  source{Addr: req.Host, InstanceID: "imagetest"}}
}

func (n *notifier) add(e event) {
	if n.url == "" {
		return
	}
	select {
	case n.queue <- e:
	default:
		n.log.Warn("notification dropped: the receiver is too slow", "repository", e.Target.Repository)
	}
}

func (n *notifier) run(ctx context.Context) {
	for {
		select {
		case e := <-n.queue:
			n.deliver(ctx, e)
		case <-ctx.Done():
			return
		}
	}
}

func (n *notifier) deliver(ctx context.Context, e event) {
	body := Must(json.Marshal(map[string]any{"events": []event{e}}))
	pause := notifyPause
	for range notifyTries {
		err := n.post(ctx, body)
		if err == nil || ctx.Err() != nil {
			return
		}
		n.log.Debug("notification not taken", "error", err)
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return
		}
	}
	n.log.Warn("notification given up", "repository", e.Target.Repository, "tries", notifyTries)
}

func (n *notifier) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", EventsMediaType)
	if n.secret != "" {
		req.Header.Set("Authorization", "Bearer "+n.secret)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, saidLimit)
	_ = resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return nil
}
