package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// scanned is one image of the scan document, as far as two scanners must agree on it.
type scanned struct {
	Reference string                        `json:"reference"`
	Digest    string                        `json:"digest"`
	Platform  string                        `json:"platform"`
	Verdict   plimsoll.VerdictState         `json:"verdict"`
	Read      map[string]plimsoll.Coverage  `json:"read"`
	Known     map[string]plimsoll.Knowledge `json:"known"`
	Packages  []struct {
		PURL  string `json:"purl"`
		Layer int    `json:"layer"`
		Path  string `json:"path"`
	} `json:"packages"`
	Findings []struct {
		ID    string `json:"id"`
		PURL  string `json:"purl"`
		Fixed string `json:"fixed"`
		Layer int    `json:"layer"`
	} `json:"findings"`
}

// known drops when a feed was looked at, which differs between two scanners.
func (im scanned) comparable() scanned {
	im.Known = maps.Clone(im.Known)
	for name, k := range im.Known {
		im.Known[name] = plimsoll.Knowledge{State: k.State}
	}
	return im
}

func (im scanned) complete() bool {
	return im.Read[plimsoll.AnalyzerPackages].State == plimsoll.ReadComplete
}

// name is repository:tag.
func (im scanned) name() string {
	_, name, _ := strings.Cut(im.Reference, "/")
	return name
}

// images asks a reporter for all that it knows of one registry, by repository:tag.
func (s *system) scanned(ctx context.Context, p *part, registry string) (map[string]scanned, error) {
	var doc struct{ Images []scanned }
	err := s.call(ctx, p, http.MethodGet, "/api/v1/scan?"+url.Values{"registry": {registry}}.Encode(), nil, &doc)
	if err != nil && strings.Contains(err.Error(), "404") {
		return map[string]scanned{}, nil // nothing of this registry is known yet
	}
	return byName(doc.Images), err
}

func byName(all []scanned) map[string]scanned {
	m := map[string]scanned{}
	for _, im := range all {
		m[im.name()] = im.comparable()
	}
	return m
}

// settle waits until everything that is wanted now has its verdict on its digest; what is pushed meanwhile is not waited for. It
// needs no sweep: what was pushed and taken must come by itself.
func (s *system) settle(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	wanted := maps.Clone(s.wanted)
	s.mu.Unlock()
	eventually(t, "every wanted image has its verdict", func() error { return s.unsettled(t.Context(), wanted) })
}

// rest waits until everything has settled and nothing is queued.
func (s *system) rest(t testing.TB) {
	t.Helper()
	s.settle(t)
	nc, js := s.jetstream(t)
	defer nc.Close()
	eventually(t, "the queue is empty", func() error {
		stream, err := js.Stream(t.Context(), scanv1.StreamRequests)
		if err != nil {
			return err
		}
		if n := stream.CachedInfo().State.Msgs; n > 0 {
			return fmt.Errorf("%d requests are queued", n)
		}
		return nil
	})
}

// unsettled is an error while a wanted image has no verdict. One that is not wanted any more, because its tag was moved or
// deleted since, counts as settled.
func (s *system) unsettled(ctx context.Context, wanted map[string]string) error {
	s.mu.Lock()
	now := maps.Clone(s.wanted)
	s.mu.Unlock()
	var missing []string
	for id := range s.registries {
		got, err := s.scanned(ctx, s.reporter(), id)
		if err != nil {
			return err
		}
		for full, digest := range wanted {
			name, ok := strings.CutPrefix(full, id+"/")
			switch im, there := got[name]; {
			case !ok || now[full] != digest:
			case !there:
				missing = append(missing, full+" is not there")
			case im.Digest != digest:
				missing = append(missing, full+" has another digest")
			case !im.complete():
				missing = append(missing, fmt.Sprintf("%s is read %v", full, im.Read))
			}
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("%d of %d: %s", len(missing), len(wanted), strings.Join(missing[:min(3, len(missing))], "; "))
	}
	return nil
}

// oracle checks what must hold once a fault has ended: (a) verdicts are those of a straight-line scan, (b) the posture is that of a
// reporter which folds the bucket anew, (c) layers were read once, plus what crashes cost, (d) nothing leaks.
func (s *system) oracle(t *testing.T) {
	t.Helper()
	s.quickOracle(t)
	s.checkVerdicts(t)
	s.checkRecompute(t)
}

// quickOracle is what costs no process of its own: every verdict is there, (c) and (d).
func (s *system) quickOracle(t *testing.T) {
	t.Helper()
	s.rest(t)
	s.checkBytes(t)
	s.checkLeaks(t)
}

// checkVerdicts compares each registry with what `plimsoll scan` says of it: the same analysis without queue, retries and history.
func (s *system) checkVerdicts(t *testing.T) {
	t.Helper()
	for id := range s.registries {
		got, err := s.scanned(t.Context(), s.reporter(), id)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			continue
		}
		want := s.straight(t, id)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("verdicts of %s differ from a straight-line scan (-scan +reporter):\n%s", id, head(diff))
		}
	}
}

func head(s string) string {
	const most = 4 << 10
	if len(s) > most {
		return s[:most] + "\n…"
	}
	return s
}

// straight scans a registry in one process, past all relays.
func (s *system) straight(t *testing.T, id string) map[string]scanned {
	t.Helper()
	var out, log bytes.Buffer
	eventually(t, "plimsoll scan of "+id, func() error { return s.scan(t.Context(), id, &out, &log) })
	var doc struct{ Images []scanned }
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatalf("plimsoll scan of %s: %v", id, err)
	}
	return byName(doc.Images)
}

// scan is one try. It starts engines of its own, which on a machine that others fill may take longer than it waits: then it
// says so with exit code 3.
func (s *system) scan(ctx context.Context, id string, out, log *bytes.Buffer) error {
	out.Reset()
	log.Reset()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, programs.plimsoll, "scan", s.direct[id].Address(), "--format", "json",
		"--advisories", s.advisories(), "--data", filepath.Join(s.dir, "straight-"+id))
	cmd.Stdout, cmd.Stderr = out, log
	err := cmd.Run()
	if e := new(exec.ExitError); err != nil && (!errors.As(err, &e) || e.ExitCode() < 0 || e.ExitCode() > 2) {
		return fmt.Errorf("%w: %s", err, log.String())
	}
	return nil
}

// checkRecompute starts another reporter, which has nothing but the bucket, and compares its answers.
func (s *system) checkRecompute(t *testing.T) {
	t.Helper()
	p := s.newPart(t, "reporter", 1000+len(s.parts))
	s.start(t, p)
	defer func() {
		p.proc.kill()
		s.parts = slices.DeleteFunc(s.parts, func(q *part) bool { return q == p })
		s.forget(p)
	}()
	for _, other := range s.reporters {
		eventually(t, other.name+" says what a reporter says that starts from nothing", func() error { return s.agree(t.Context(), other, p) })
	}
}

// forget closes the relays of a part that is not needed any more.
func (s *system) forget(p *part) {
	p.bucket.Close()
	p.nats.Close()
	p.temporal.Close()
	p.rpc.Close()
	for _, d := range p.doors {
		d.Close()
	}
}

// agree compares what two reporters answer, whole.
func (s *system) agree(ctx context.Context, a, b *part) error {
	for _, path := range []string{
		"/api/v1/scan?registry=" + corp, "/api/v1/scan?registry=" + edge, "/api/v1/images?scope=stored", "/api/v1/findings?scope=stored", "/api/v1/coverage/gaps",
	} {
		var of [2]map[string]any
		for i, p := range []*part{a, b} {
			if err := s.call(ctx, p, http.MethodGet, path, nil, &of[i]); err != nil && !strings.Contains(err.Error(), "404") {
				return err
			}
			delete(of[i], "data") // when each looked at its feeds
			delete(of[i], "as_of")
		}
		if diff := cmp.Diff(of[1], of[0], cmp.FilterPath(volatile, cmp.Ignore()), cmp.FilterPath(dated, cmp.Comparer(near))); diff != "" {
			return fmt.Errorf("%s (-from nothing +running):\n%s", path, head(diff))
		}
	}
	return nil
}

// volatile names fields that tell when this process looked, not what is known.
func volatile(p cmp.Path) bool {
	key, ok := p.Last().(cmp.MapIndex)
	if !ok {
		return false
	}
	switch key.Key().String() {
	case "checked", "now", "generated":
		return true
	}
	return false
}

// dated names times that a reporter takes from the newest change of the batch in which it saw something come. Batches differ
// between one that follows and one that catches up; near is how far apart their times may lie.
func dated(p cmp.Path) bool {
	key, ok := p.Last().(cmp.MapIndex)
	return ok && slices.Contains([]string{"first_detected", "deadline"}, key.Key().String())
}

func near(a, b any) bool {
	const batch = 2 * time.Minute
	var at [2]time.Time
	for i, v := range []any{a, b} {
		text, ok := v.(string)
		if !ok {
			return cmp.Equal(a, b)
		}
		var err error
		if at[i], err = time.Parse(time.RFC3339Nano, text); err != nil {
			return a == b
		}
	}
	return at[0].Sub(at[1]).Abs() <= batch
}

// checkBytes bounds what was read from registries: every layer once, and for each crash one layer more.
func (s *system) checkBytes(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	unique, largest := int64(0), int64(0)
	for _, size := range s.layers {
		unique += size
		largest = max(largest, size)
	}
	layers, crashes, slack := maps.Clone(s.layers), s.crashes, s.slack
	s.mu.Unlock()
	read := s.layerBytes(layers)
	if most := unique + int64(crashes)*largest + slack; read > most {
		t.Errorf("%d bytes of layers were read, want at most %d: %d unique, %d crashes of at most %d each, %d besides", read, most, unique, crashes, largest, slack)
	}
}

// layerBytes is what workers got of the given layers.
func (s *system) layerBytes(layers map[string]int64) (n int64) {
	for _, p := range s.workers {
		for _, door := range p.doors {
			for path, bytes := range door.Tally().Bytes {
				if _, ok := layers[path[strings.LastIndexByte(path, '/')+1:]]; ok {
					n += bytes
				}
			}
		}
	}
	return n
}

// Bounds of what may be left once a part is idle: connections that it keeps for later, over what it had when it was fresh.
const (
	moreGoroutines = 60
	moreFiles      = 40
)

// checkLeaks compares each part with how its kind was when the system was fresh.
func (s *system) checkLeaks(t *testing.T) {
	t.Helper()
	for _, p := range slices.Concat(s.workers, s.schedulers, s.reporters) {
		var goroutines float64
		eventually(t, p.name+" holds nothing that it does not need", func() (err error) {
			if goroutines, err = s.metric(t.Context(), p, "go_goroutines"); err != nil {
				return err
			}
			fresh := baseline[p.kind]
			if files := p.proc.files(); goroutines > float64(fresh.goroutines+moreGoroutines) || files > fresh.files+moreFiles {
				return fmt.Errorf("%v goroutines and %d files, fresh it had %+v", goroutines, files, fresh)
			}
			return nil
		})
		eventually(t, p.name+" leaves no temporary file", func() error {
			left, err := os.ReadDir(p.tmp)
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("%d in %s, as %s", len(left), p.tmp, left[0].Name())
			}
			return err
		})
	}
}

// baseline is what a part of each kind holds when it has done some work and is idle.
var baseline = map[string]struct{ goroutines, files int }{
	"worker": {60, 40}, "scheduler": {200, 60}, "reporter": {80, 50},
}

// metric reads one number of a part's own metrics; labels stand in the name as Prometheus writes them.
func (s *system) metric(ctx context.Context, p *part, name string) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	sum, found := 0.0, false
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("%s has no metric %s: %s", p.name, name, resp.Status)
	}
	return sum, lines.Err()
}

// elapsed is for logs.
func (s *system) elapsed() time.Duration { return time.Since(s.began).Round(time.Millisecond) }
