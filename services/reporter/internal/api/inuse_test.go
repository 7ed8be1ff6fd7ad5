package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// images are the rows of a list, by digest.
func (s *site) images(query string) map[plimsoll.Digest]list.Image {
	s.t.Helper()
	status, _, b := s.call("GET", "/api/v1/images?limit=1000&"+query, "", "")
	var got page[list.Image]
	if err := json.Unmarshal(b, &got); err != nil || status != http.StatusOK {
		s.t.Fatalf("%s: %d %.300s", query, status, b)
	}
	out := map[plimsoll.Digest]list.Image{}
	for _, im := range got.Items {
		out[im.Digest] = im
	}
	return out
}

// tell posts a report and gives the answer.
func (s *site) tell(source string, at time.Time, digests ...plimsoll.Digest) inUseAnswer {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"source": source, "time": at, "digests": digests})
	if err != nil {
		s.t.Fatal(err)
	}
	status, _, b := s.call("POST", "/api/v1/in-use", s.operator, string(body))
	var got inUseAnswer
	if err := json.Unmarshal(b, &got); err != nil || status != http.StatusOK {
		s.t.Fatalf("tell: %d %.300s", status, b)
	}
	return got
}

// TestInUse: an image that a cluster runs is in use and active, one that it ran long ago is not, and of all others it is not known.
func TestInUse(t *testing.T) {
	t.Parallel()
	s := newSite(t, 60)
	now, moved := s.world.At, s.world.At.AddDate(-1, 0, 0)
	var refs []plimsoll.Ref
	for _, tag := range []string{"runs", "ran", "quiet"} {
		r := s.world.Image(tag, plimsoll.Package{Name: "log4j-core", Version: "2.14.1", Ecosystem: "Maven"})
		r.Moved, r.First = moved, moved
		refs = append(refs, r)
	}
	s.world.Put("harbor", "shop/use", refs...)
	s.world.Advance()
	before := s.images("repository=shop/use&scope=stored")
	for _, im := range before {
		if im.InUse != nil || im.Active {
			t.Errorf("nobody told, and %s says %+v, active %t", im.Tag, im.InUse, im.Active)
		}
	}
	if got := s.images("repository=shop/use&scope=stored&in_use=no"); len(got) > 0 {
		t.Errorf("nobody told, and not in use are %v", got)
	}

	runs, ran, quiet := refs[0].Digest, refs[1].Digest, refs[2].Digest
	if got := s.tell("east", now, runs, posturetest.Digest("nowhere")); got != (inUseAnswer{2, 1, 1}) {
		t.Errorf("the answer is %+v", got)
	}
	s.tell("west", now.AddDate(0, 0, -100), ran)
	all := s.images("repository=shop/use&scope=stored")
	if u := all[runs].InUse; u == nil || !u.Last.Equal(now) || !u.Sources["east"].Equal(now) || !all[runs].Active {
		t.Errorf("what runs: %+v, active %t", u, all[runs].Active)
	}
	if u := all[ran].InUse; u == nil || all[ran].Active {
		t.Errorf("what ran long ago: %+v, active %t", u, all[ran].Active)
	}
	if all[quiet].InUse != nil {
		t.Errorf("of what nobody told: %+v", all[quiet].InUse)
	}
	for word, want := range map[string]plimsoll.Digest{list.InUseYes: runs, list.InUseNo: ran, list.InUseUnknown: quiet} {
		got := s.images("repository=shop/use&scope=stored&in_use=" + url.QueryEscape(word))
		if _, ok := got[want]; !ok || len(got) != 1 {
			t.Errorf("in_use=%s: %v", word, got)
		}
	}
	if got := s.images("repository=shop/use"); len(got) != 1 {
		t.Errorf("active are %v", got)
	}
	if status, _, b := s.call("GET", "/api/v1/images?repository=shop/use&scope=stored&format=csv", "", ""); status != http.StatusOK || !strings.Contains(string(b), "in use") ||
		strings.Count(string(b), "not known") == 0 || !strings.Contains(string(b), now.UTC().Format(time.RFC3339)) {
		t.Errorf("csv: %d %s", status, b)
	}

	// Time goes on: what is not told again is not active any more, and stands as what was in use once.
	s.world.At = now.AddDate(0, 0, posture.DefaultActiveDays+1)
	s.world.Advance()
	if got := s.images("repository=shop/use"); len(got) != 0 {
		t.Errorf("a month later active are %v", got)
	}
}

// TestInUseIsAboutNow: a past moment does not know what was in use, and does not say that it was not.
func TestInUseIsAboutNow(t *testing.T) {
	t.Parallel()
	s := newSite(t, 60)
	d := s.world.Engine.View().Rows()[0].Digest
	s.tell("east", s.world.At, d)
	then := s.world.At
	s.world.At = s.world.At.Add(time.Hour)
	s.world.Advance()
	if im := s.images("scope=stored&digest=" + string(d))[d]; im.InUse == nil {
		t.Fatal("now it is not known")
	}
	for _, im := range s.images("scope=stored&at=" + then.UTC().Format(time.RFC3339)) {
		if im.InUse != nil {
			t.Errorf("%s then: %+v", im.Reference, im.InUse)
		}
	}
}

func TestInUseIsGuarded(t *testing.T) {
	t.Parallel()
	s := newSite(t, 5)
	digest := string(posturetest.Digest("x"))
	good := fmt.Sprintf(`{"source":"east","digests":[%q]}`, digest)
	for name, x := range map[string]struct {
		token, body string
		want        int
	}{
		"nobody":                {"", good, http.StatusUnauthorized},
		"a viewer":              {s.viewer, good, http.StatusForbidden},
		"no JSON":               {s.operator, "digest", http.StatusBadRequest},
		"an unknown field":      {s.operator, `{"source":"east","digests":[],"more":1}`, http.StatusBadRequest},
		"a digest that is none": {s.operator, `{"source":"east","digests":["sha256:x"]}`, http.StatusBadRequest},
		"a large body":          {s.operator, `{"source":"` + strings.Repeat("e", 2<<20) + `"}`, http.StatusBadRequest},
		"an operator":           {s.operator, good, http.StatusOK},
	} {
		if status, _, b := s.call("POST", "/api/v1/in-use", x.token, x.body); status != x.want {
			t.Errorf("%s: %d %.200s, want %d", name, status, b, x.want)
		}
	}
}
