package hooks

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// FuzzDialects gives each dialect any body and any words in the headers that it looks at. Whatever it makes of them keeps to the
// grammars, and all errors are ones that the answer knows.
func FuzzDialects(f *testing.F) {
	for i := range plimsoll.HookDialects {
		f.Add(byte(i), "package", []byte(`{"events":[{"target":{"repository":"a","tag":"\u0000"},"action":"push"}]}`))
		f.Add(byte(i), "", []byte(`[null,7,{"eventType":"x","data":{"action":"push"}}]`))
	}
	for _, file := range every(f) {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			f.Fatal(err)
		}
		for i, name := range plimsoll.HookDialects {
			switch filepath.Dir(file) {
			case name:
				for _, word := range []string{"package", "registry_package", "rm:repository:component", "zotregistry.image.updated", ""} {
					f.Add(byte(i), word, b)
				}
			}
		}
	}
	headers := []string{"X-Github-Event", "X-Gitea-Event", "X-Nexus-Webhook-Id", "Ce-Type", "X-Goog-Pubsub-Message-Id"}
	f.Fuzz(func(t *testing.T, which byte, word string, body []byte) {
		name := plimsoll.HookDialects[int(which)%len(plimsoll.HookDialects)]
		m := message{body: body, header: http.Header{}, registry: plimsoll.Registry{ID: "r", URL: "https://us-east1-docker.pkg.dev"}}
		for _, header := range headers {
			if word != "" && (header != "Ce-Type" || strings.Contains(word, ".")) {
				m.header.Set(header, word)
			}
		}
		s, err := understand(dialects[name], m)
		if err != nil {
			if !errors.Is(err, plimsoll.ErrInvalid) && !errors.Is(err, plimsoll.ErrLimit) {
				t.Errorf("%s: %v, want ErrInvalid or ErrLimit", name, err)
			}
			return
		}
		if len(s.events) > maxEvents || s.refused < 0 || s.ignored < 0 {
			t.Errorf("%s: %d events, %d refused, %d ignored", name, len(s.events), s.refused, s.ignored)
		}
		seen := map[event]bool{}
		for _, ev := range s.events {
			if err := plimsoll.CheckRepository(ev.repository); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if ev.tag == "" && !ev.gone || ev.tag != "" && plimsoll.CheckTag(ev.tag) != nil {
				t.Errorf("%s: tag %q let through", name, ev.tag)
			}
			if ev.digest != "" {
				if _, err := plimsoll.ParseDigest(string(ev.digest)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if len(ev.epoch) != 32 {
				t.Errorf("%s: epoch %q", name, ev.epoch)
			}
			if seen[ev] {
				t.Errorf("%s: %+v twice", name, ev)
			}
			seen[ev] = true
		}
	})
}

// FuzzPulled gives what a source replies any form. Each message in it is queued, counted as ignored or refused, or cannot be one.
func FuzzPulled(f *testing.F) {
	push, err := os.ReadFile(filepath.Join("testdata", "google", "push.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"Messages":[{"MessageId":"a","ReceiptHandle":"b","Body":"{\"detail-type\":\"ECR Image Action\",\"source\":\"aws.ecr\"}"},null,{"Body":""}]}`))
	f.Add([]byte(`{"receivedMessages":[{"ackId":"a",` + strings.TrimPrefix(string(push), "{") + `,{"message":{"data":"e30="}},null]}`))
	f.Add([]byte(`{"Messages":7}`))
	f.Fuzz(func(t *testing.T, reply []byte) {
		var amazon sqsMessages
		var google pubSubMessages
		for dialect, all := range map[string]func() []waiting{
			plimsoll.HookECR:    func() []waiting { _ = json.Unmarshal(reply, &amazon); return amazon.waiting() },
			plimsoll.HookGoogle: func() []waiting { _ = json.Unmarshal(reply, &google); return google.waiting() },
		} {
			for _, one := range all() {
				r := plimsoll.Registry{ID: "r", URL: "https://us-east1-docker.pkg.dev", Hook: plimsoll.Hook{Dialect: dialect}}
				w := newWorld(false, r)
				if err := w.handler.pulled(t.Context(), r, one.body); err != nil {
					t.Errorf("%s: %v", dialect, err)
				}
				if n := w.counted("r", refused) + w.counted("r", ignored) + w.counted("r", queued); n == 0 {
					t.Errorf("%s: %q came to nothing", dialect, one.body)
				}
			}
		}
	})
}
