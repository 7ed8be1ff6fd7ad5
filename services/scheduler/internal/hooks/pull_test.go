package hooks

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/registry"
)

// mailbox is what both clouds' fakes hold: messages that are hidden while somebody has them, until they are taken out.
type mailbox struct {
	t *testing.T

	mu       sync.Mutex
	messages map[string]string // by receipt
	order    []string
	hidden   map[string]bool
	refuse   int // so many calls are still refused with 503
	turned   int // so many were
	refused  int // calls without a good signature or token
	large    bool
	arrived  chan struct{}
	gone     *sync.Cond // a message was taken out
}

func newMailbox(t *testing.T, messages ...string) *mailbox {
	m := &mailbox{t: t, messages: map[string]string{}, hidden: map[string]bool{}, arrived: make(chan struct{}, 1)}
	for _, body := range messages {
		m.put(body)
	}
	m.gone = sync.NewCond(&m.mu)
	return m
}

func (m *mailbox) put(body string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	receipt := fmt.Sprintf("receipt-%d", len(m.order))
	m.order, m.messages[receipt] = append(m.order, receipt), body
	select {
	case m.arrived <- struct{}{}:
	default:
	}
}

// handedOut is one message as it is handed out.
type handedOut struct{ receipt, body string }

// take hands out up to n messages that nobody has; it waits for one as long as the caller does.
func (m *mailbox) take(ctx context.Context, n int) (all []handedOut) {
	for {
		m.mu.Lock()
		for _, receipt := range m.order {
			if body, there := m.messages[receipt]; there && !m.hidden[receipt] && len(all) < n {
				m.hidden[receipt] = true
				all = append(all, handedOut{receipt, body})
			}
		}
		m.mu.Unlock()
		if len(all) > 0 {
			return all
		}
		select {
		case <-m.arrived:
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *mailbox) remove(receipts []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.gone.Broadcast()
	for _, receipt := range receipts {
		if _, there := m.messages[receipt]; !there {
			m.t.Errorf("%q is taken out and is not there", receipt)
		}
		delete(m.messages, receipt)
	}
}

// await returns when n messages have been taken out. A minute is far more than that takes.
func (m *mailbox) await(n int) {
	m.t.Helper()
	late := false
	timer := time.AfterFunc(time.Minute, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		late = true
		m.gone.Broadcast()
	})
	defer timer.Stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.order)-len(m.messages) < n {
		if late {
			m.t.Fatalf("%d of %d messages are left", len(m.messages), len(m.order))
		}
		m.gone.Wait()
	}
}

// show ends the time in which messages are hidden.
func (m *mailbox) show() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hidden = map[string]bool{}
	select {
	case m.arrived <- struct{}{}:
	default:
	}
}

// away says whether this call is refused as by a service that is away.
func (m *mailbox) away() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse == 0 {
		return false
	}
	m.refuse--
	m.turned++
	return true
}

func (m *mailbox) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.messages)
}

const (
	fakeKey    = "AKIDEXAMPLE"
	fakeSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// signedByAmazon checks a request's signature as the service does, from what came over the wire (AWS Signature Version 4).
func signedByAmazon(r *http.Request, body []byte, region string) bool {
	text := r.Header.Get("Authorization")
	text, found := strings.CutPrefix(text, "AWS4-HMAC-SHA256 ")
	fields := map[string]string{}
	for part := range strings.SplitSeq(text, ", ") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	scope := at.Format("20060102") + "/" + region + "/sqs/aws4_request"
	if !found || err != nil || time.Since(at).Abs() > 5*time.Minute || fields["Credential"] != fakeKey+"/"+scope {
		return false
	}
	var headers strings.Builder
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.TrimSpace(value))
	}
	for _, must := range []string{"host", "x-amz-date", "x-amz-target"} {
		if !slices.Contains(strings.Split(fields["SignedHeaders"], ";"), must) {
			return false
		}
	}
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	canonical := "POST\n/\n\n" + headers.String() + "\n" + fields["SignedHeaders"] + "\n" + sum(body)
	key := []byte("AWS4" + fakeSecret)
	for _, part := range append(strings.Split(scope, "/"), "AWS4-HMAC-SHA256\n"+r.Header.Get("X-Amz-Date")+"\n"+scope+"\n"+sum([]byte(canonical))) {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return hex.EncodeToString(key) == fields["Signature"]
}

// sqsServer speaks SQS' JSON protocol.
func (m *mailbox) sqsServer(region string) *httptest.Server {
	queue := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fail := func(status int, kind string) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":"said to %s"}`, kind, fakeSecret)
		}
		var in struct {
			QueueURL        string `json:"QueueUrl"`
			Most            int    `json:"MaxNumberOfMessages"`
			WaitTimeSeconds int
			Entries         []struct{ ID, ReceiptHandle string }
		}
		switch err := json.Unmarshal(body, &in); {
		case m.away():
			fail(http.StatusServiceUnavailable, "ServiceUnavailable")
			return
		case !signedByAmazon(r, body, region):
			m.mu.Lock()
			m.refused++
			m.mu.Unlock()
			fail(http.StatusForbidden, "InvalidSignatureException")
			return
		case err != nil || in.QueueURL != queue || r.Header.Get("Content-Type") != "application/x-amz-json-1.0":
			fail(http.StatusBadRequest, "QueueDoesNotExist")
			return
		}
		out := map[string]any{}
		switch r.Header.Get("X-Amz-Target") {
		case "AmazonSQS.ReceiveMessage":
			if in.Most < 1 || in.Most > 10 || in.WaitTimeSeconds != 20 {
				fail(http.StatusBadRequest, "InvalidParameterValue")
				return
			}
			var all []map[string]string
			for _, one := range m.take(r.Context(), in.Most) {
				all = append(all, map[string]string{"MessageId": "m" + one.receipt, "ReceiptHandle": one.receipt, "Body": one.body})
			}
			out["Messages"] = all
		case "AmazonSQS.DeleteMessageBatch":
			var receipts []string
			for _, e := range in.Entries {
				receipts = append(receipts, e.ReceiptHandle)
			}
			m.remove(receipts)
		default:
			fail(http.StatusBadRequest, "UnknownOperation")
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_ = json.NewEncoder(w).Encode(out)
	}))
	m.t.Cleanup(s.Close)
	queue = s.URL + "/123456789012/plimsoll"
	return s
}

// pubSubServer speaks Pub/Sub's REST protocol, and is the token service of its service account too.
func (m *mailbox) pubSubServer(key *rsa.PrivateKey) *httptest.Server {
	const subscription = "/v1/projects/corp/subscriptions/plimsoll"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			parts := strings.Split(r.PostFormValue("assertion"), ".")
			signature, _ := base64.RawURLEncoding.DecodeString(parts[len(parts)-1])
			sum := sha256.Sum256([]byte(strings.Join(parts[:len(parts)-1], ".")))
			if rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, `{"access_token":"the-token","expires_in":3599}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var in struct {
			MaxMessages int      `json:"maxMessages"`
			AckIDs      []string `json:"ackIds"`
		}
		switch err := json.Unmarshal(body, &in); {
		case m.away():
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case r.Header.Get("Authorization") != "Bearer the-token":
			m.mu.Lock()
			m.refused++
			m.mu.Unlock()
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}`)
			return
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch r.URL.Path {
		case subscription + ":pull":
			type received struct {
				AckID   string          `json:"ackId"`
				Message json.RawMessage `json:"message"`
			}
			var all []received
			for _, one := range m.take(r.Context(), in.MaxMessages) {
				all = append(all, received{one.receipt, json.RawMessage(one.body)})
			}
			if m.large && in.MaxMessages > 1 {
				_, _ = w.Write(make([]byte, maxPulled+1))
				m.show()
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"receivedMessages": all})
		case subscription + ":acknowledge":
			m.remove(in.AckIDs)
			fmt.Fprint(w, "{}")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	m.t.Cleanup(s.Close)
	return s
}

// clouds are both sources before a fake of theirs. The environment is this process's, so that tests with them are not parallel.
var clouds = []struct {
	name     string
	registry plimsoll.Registry
	good     func(t *testing.T) []string // two events that ask for something, one that asks for nothing
	bad      []string
	start    func(t *testing.T, m *mailbox) source
}{{
	name: "sqs", registry: plimsoll.Registry{ID: "r", URL: "https://123456789012.dkr.ecr.us-west-2.amazonaws.com", Hook: plimsoll.Hook{Dialect: plimsoll.HookECR}},
	good: func(t *testing.T) []string {
		push := fixture(t, "ecr/push")
		return []string{push, strings.NewReplacer("13cde686", "24cde686", `"latest"`, `"2.0"`).Replace(push), fixture(t, "ecr/scan")}
	},
	bad: []string{"<html>", "", `{"detail-type":7}`, `[]`, strings.Repeat("x", maxBody+1)},
	start: func(t *testing.T, m *mailbox) source {
		t.Setenv("AWS_ACCESS_KEY_ID", fakeKey)
		t.Setenv("AWS_SECRET_ACCESS_KEY", fakeSecret)
		t.Setenv("AWS_REGION", "us-west-2")
		return newSQS(m.sqsServer("us-west-2").URL+"/123456789012/plimsoll", registry.NewCloud("none"), os.Getenv)
	},
}, {
	name: "pubsub", registry: plimsoll.Registry{ID: "r", URL: "https://us-east1-docker.pkg.dev", Hook: plimsoll.Hook{Dialect: plimsoll.HookGoogle}},
	good: func(t *testing.T) []string {
		push := messageOf(t, fixture(t, "google/push"))
		return []string{push, strings.ReplaceAll(push, "2070443601311540", "2070443601311541"), messageOf(t, fixture(t, "google/upload"))}
	},
	bad: []string{`null`, `{}`, `{"data":"!!!"}`, `{"data":"e30=","messageId":"7"}`, `"text"`, `{"data":"` + strings.Repeat("x", maxBody) + `"}`},
	start: func(t *testing.T, m *mailbox) source {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		server := m.pubSubServer(key)
		account, err := json.Marshal(map[string]string{
			"type": "service_account", "client_email": "plimsoll@corp.example", "token_uri": server.URL + "/token",
			"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "account.json")
		if err := os.WriteFile(file, account, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
		t.Setenv("PUBSUB_EMULATOR_HOST", strings.TrimPrefix(server.URL, "http://"))
		return newPubSub("projects/corp/subscriptions/plimsoll", registry.NewCloud("none"), os.Getenv)
	},
}}

// messageOf is the message in a push of Pub/Sub, as a pull gives it.
func messageOf(t *testing.T, push string) string {
	t.Helper()
	var p struct {
		Message json.RawMessage `json:"message"`
	}
	if err := json.Unmarshal([]byte(push), &p); err != nil {
		t.Fatal(err)
	}
	return string(p.Message)
}

// Events are queued and then taken out; what cannot be read is counted, taken out too, and keeps nothing back.
func TestPull(t *testing.T) {
	for _, c := range clouds {
		t.Run(c.name, func(t *testing.T) {
			good := c.good(t)
			m := newMailbox(t, slices.Concat(c.bad, good)...)
			w := newWorld(false, c.registry)
			from := c.start(t, m)
			for m.left() > 0 {
				if n, err := w.handler.pullOnce(t.Context(), c.registry, from, pullAtOnce); n == 0 || err != nil {
					t.Fatalf("%d fetched, %v, %d left", n, err, m.left())
				}
			}
			if got := w.asked(); len(got) != 2 {
				t.Errorf("queued %q, want two references", got)
			}
			for outcome, want := range map[string]float64{received: 3, queued: 2, ignored: 1, refused: float64(len(c.bad)), duplicate: 0} {
				if got := w.counted("r", outcome); got != want {
					t.Errorf("%v events %s, want %v", got, outcome, want)
				}
			}
			// Delivered again, as either may: known.
			m.put(good[0])
			if _, err := w.handler.pullOnce(t.Context(), c.registry, from, pullAtOnce); err != nil || w.counted("r", duplicate) != 1 || m.left() != 0 {
				t.Errorf("an event again: %v, %v duplicate, %d left, want it known and taken out", err, w.counted("r", duplicate), m.left())
			}
			if m.refused != 0 {
				t.Errorf("%d calls were not signed as they must be", m.refused)
			}
		})
	}
}

// Nothing is taken out before the queue has it, and a bad event beside it does not change that.
func TestPullWhileTheQueueIsFull(t *testing.T) {
	for _, c := range clouds {
		t.Run(c.name, func(t *testing.T) {
			good := c.good(t)[:2]
			m := newMailbox(t, append([]string{c.bad[0]}, good...)...)
			w := newWorld(false, c.registry)
			w.full = true
			from := c.start(t, m)
			if _, err := w.handler.pullOnce(t.Context(), c.registry, from, pullAtOnce); err == nil || m.left() != 2 {
				t.Fatalf("while the queue is full: %v, %d left, want an error and both events", err, m.left())
			}
			w.full = false
			m.show()
			if _, err := w.handler.pullOnce(t.Context(), c.registry, from, pullAtOnce); err != nil || m.left() != 0 || len(w.asked()) != 2 {
				t.Errorf("then: %v, %d left, queued %q, want both events queued and taken out", err, m.left(), w.asked())
			}
		})
	}
}

// pulling runs the loop until it is stopped, or the test ends.
func (w *world) pulling(t *testing.T, r plimsoll.Registry, from source) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.handler.pull(ctx, r, from)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// The loop goes on after a service was away, and ends with its context.
func TestPullGoesOn(t *testing.T) {
	for _, c := range clouds {
		t.Run(c.name, func(t *testing.T) {
			m := newMailbox(t, c.good(t)[0])
			m.refuse = 1
			w := newWorld(false, c.registry)
			from := c.start(t, m)
			stop := w.pulling(t, c.registry, from)
			m.await(1)
			m.put(c.good(t)[1])
			m.await(2)
			stop()
			if m.turned != 1 || w.counted("r", queued) != 2 {
				t.Errorf("%d calls were refused, %v events queued, want 1 and 2", m.turned, w.counted("r", queued))
			}
		})
	}
}

// More bytes than may be held are fetched one event at a time.
func TestPullOneByOne(t *testing.T) {
	c := clouds[1]
	m := newMailbox(t, c.good(t)...)
	m.large = true
	w := newWorld(false, c.registry)
	from := c.start(t, m)
	stop := w.pulling(t, c.registry, from)
	m.await(1)
	stop()
	if w.counted("r", queued) < 1 {
		t.Errorf("%v queued, want one at least", w.counted("r", queued))
	}
}

// What is refused says what to do, and nothing that is secret.
func TestPullIsRefused(t *testing.T) {
	for i, c := range clouds {
		m := newMailbox(t)
		w := newWorld(false, c.registry)
		from := c.start(t, m)
		if i == 0 {
			t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
		} else {
			from.(*pubSub).address = strings.Replace(from.(*pubSub).address, "/v1/", "/v2/", 1)
		}
		_, err := w.handler.pullOnce(t.Context(), c.registry, from, pullAtOnce)
		want := []string{"sqs:ReceiveMessage", "roles/pubsub.subscriber"}[i]
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), fakeSecret) || strings.Contains(err.Error(), "the-token") {
			t.Errorf("%s: %v, want it to name %s", c.name, err, want)
		}
		if i == 0 && (!strings.Contains(err.Error(), "InvalidSignatureException") || m.refused != 1) {
			t.Errorf("%s: %v, want Amazon's word for it", c.name, err)
		}
	}
}

func TestQueueRegions(t *testing.T) {
	t.Parallel()
	for queue, want := range map[string]string{
		"https://sqs.eu-central-1.amazonaws.com/123456789012/plimsoll":                  "eu-central-1",
		"https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/plimsoll":            "us-gov-west-1",
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/plimsoll":                 "cn-north-1",
		"https://vpce-0a1b-c2d3.sqs.eu-west-1.vpce.amazonaws.com/123456789012/plimsoll": "eu-west-1",
		"https://eu-west-1.queue.amazonaws.com/123456789012/plimsoll":                   "eu-west-1",
		"http://127.0.0.1:4566/000000000000/plimsoll":                                   "set",
	} {
		s := newSQS(queue, nil, func(name string) string { return map[string]string{"AWS_DEFAULT_REGION": "set"}[name] })
		if s.call.Region != want || !strings.HasPrefix(queue, s.call.Endpoint+"/1") && !strings.HasPrefix(queue, s.call.Endpoint+"/0") {
			t.Errorf("%s: region %q at %s, want %q", queue, s.call.Region, s.call.Endpoint, want)
		}
	}
}
