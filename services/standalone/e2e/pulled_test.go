package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// subscription is an emulator of Pub/Sub with one subscription, which holds each message until it is acknowledged.
type subscription struct {
	mu      sync.Mutex
	waiting map[string]string // by acknowledgement
	handed  map[string]bool
	arrived chan struct{}
}

func (s *subscription) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		AckIDs []string `json:"ackIds"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case "/v1/projects/corp/subscriptions/plimsoll:acknowledge":
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, id := range in.AckIDs {
			delete(s.waiting, id)
		}
		fmt.Fprint(w, "{}")
	case "/v1/projects/corp/subscriptions/plimsoll:pull":
		for {
			if all := s.take(); len(all) > 0 {
				_ = json.NewEncoder(w).Encode(map[string]any{"receivedMessages": all})
				return
			}
			select {
			case <-s.arrived:
			case <-r.Context().Done():
				return
			}
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *subscription) take() (all []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, data := range s.waiting {
		if !s.handed[id] {
			s.handed[id] = true
			all = append(all, map[string]any{"ackId": id, "message": map[string]any{"messageId": id, "data": []byte(data)}})
		}
	}
	return all
}

func (s *subscription) put(id, data string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[id] = data
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

func (s *subscription) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

// TestPulledEvents: an event that waits in a subscription gives a verdict, and is acknowledged; what is none is acknowledged too.
func TestPulledEvents(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	d := newDistribution(t, "")
	events := &subscription{waiting: map[string]string{}, handed: map[string]bool{}, arrived: make(chan struct{}, 1)}
	emulator := httptest.NewServer(events)
	t.Cleanup(emulator.Close)
	r := d.configured()
	r.Hook = plimsoll.Hook{Dialect: plimsoll.HookGoogle, Subscription: "projects/corp/subscriptions/plimsoll"}
	events.put("bad", "<html>")
	s := up(t, setup{
		registries: []plimsoll.Registry{r}, advisories: sampleAdvisories(t),
		env: []string{
			"PUBSUB_EMULATOR_HOST=" + strings.TrimPrefix(emulator.URL, "http://"),
			"HOME=" + t.TempDir(), "GOOGLE_APPLICATION_CREDENTIALS=", "GCE_METADATA_HOST=" + nobody, // no identity, wherever this runs
		},
	})
	image := app(t, "amd64", "lodash", "4.17.11")
	d.push("shop/web", "1.0", image)
	name := d.host + "/shop/web"
	events.put("push", fmt.Sprintf(`{"action":"INSERT","digest":"%s@%s","tag":"%s:1.0"}`, name, digestOf(t, image), name))
	if got := s.image(ctx, "corp", "shop/web:1.0", isComplete); got.Verdict != plimsoll.VerdictFail || !got.has("CVE-2019-10744") {
		t.Errorf("verdict of lodash 4.17.11 = %s with %d findings, want fail with CVE-2019-10744", got.Verdict, len(got.Findings))
	}
	eventually(ctx, t, "both messages are acknowledged", func() error {
		if n := events.left(); n > 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
}
