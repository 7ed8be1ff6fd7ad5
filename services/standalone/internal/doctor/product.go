package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/scheduler"
)

// maxAnswer bounds an answer of the API, in bytes: the sweeps of some hundred registries.
const maxAnswer = 16 << 20

// ask asks the running Plimsoll.
func ask(ctx context.Context, p Patient, path string, v any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Server+path, nil)
	if err != nil {
		return err
	}
	if p.Token != "" {
		r.Header.Set("Authorization", "Bearer "+p.Token)
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return statusError{resp.StatusCode, strings.TrimSpace(string(body[:min(len(body), 300)]))}
	}
	return json.Unmarshal(body, v)
}

type statusError struct {
	code int
	text string
}

func (e statusError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.code, e.text) }

// away is the result when the running Plimsoll cannot be asked.
func away(p Patient, err error) Result {
	var status statusError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return broken("start it (plimsoll up, or the reporter), or name it with --server", "no Plimsoll answers at %s", p.Server)
	case errors.As(err, &status) && (status.code == http.StatusUnauthorized || status.code == http.StatusForbidden):
		return broken("give --token-file with a token of the role viewer", "%s answers %v", p.Server, err)
	case errors.As(err, &status) && status.code == http.StatusServiceUnavailable:
		return warning("wait: it reads the bucket", "%s is starting: %v", p.Server, err)
	}
	return broken("look at its log", "%s: %v", p.Server, err)
}

// status is the answer of /api/v1/status as far as it is used.
type status struct {
	Parts      map[string]string `json:"parts"`
	Generation string            `json:"generation"`
	Faults     []string          `json:"faults"`
	At         time.Time         `json:"at"`
	Version    string            `json:"version"`
}

// part is an embedded engine as the running Plimsoll sees it.
func part(ctx context.Context, p Patient, name string) Result {
	var s status
	if err := ask(ctx, p, "/api/v1/status", &s); err != nil {
		return away(p, err)
	}
	if word := s.Parts[name]; word != "ok" {
		return broken("look at the log of plimsoll up; the data folder may be full or locked by another process", "embedded: %s", word)
	}
	return ok("embedded, answers")
}

// workers asks each for its recipe: two recipes would read every image twice.
func workers(ctx context.Context, p Patient) Result {
	targets := p.File.Scheduler.Workers
	if len(targets) == 0 {
		return skipped("one, inside plimsoll up; a scheduler that runs alone needs scheduler.workers")
	}
	recipes, slots := map[string]bool{}, 0
	for _, target := range targets {
		d, err := describe(ctx, target)
		if err != nil {
			return broken("check that it runs and scheduler.workers; layers wait meanwhile", "worker %s: %v", target, err)
		}
		recipes[d.GetRecipe()] = true
		slots += int(d.GetSlots())
	}
	if len(recipes) > 1 {
		return warning("finish the roll-out: until all are of one version, images are read again by whichever answers", "%d workers of %d versions", len(targets), len(recipes))
	}
	return ok("%d answer, %d layers at once", len(targets), slots)
}

func describe(ctx context.Context, target string) (*workerv1.DescribeResponse, error) {
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return workerv1.NewWorkerClient(conn).Describe(ctx, &workerv1.DescribeRequest{})
}

// registriesAtOnce bounds the registries that are tried side by side, and in all: `registry check` tries the others.
const registriesAtOnce = 16

// registries tries name, TLS and credentials of each.
func registries(ctx context.Context, p Patient) Result {
	all := p.File.Registries
	if len(all) == 0 {
		return warning("name one under registries in the configuration, or with --registry", "none is configured")
	}
	tried := all[:min(len(all), registriesAtOnce)]
	faults := make([]string, len(tried))
	var wait sync.WaitGroup
	for i, r := range tried {
		wait.Go(func() { faults[i] = registryFault(ctx, r) })
	}
	wait.Wait()
	faults = slices.DeleteFunc(faults, func(s string) bool { return s == "" })
	if len(faults) > 0 {
		return broken("plimsoll registry check tells each step and what to do", "%d of %d: %s", len(faults), len(tried), strings.Join(faults, "; "))
	}
	if len(tried) < len(all) {
		return ok("the first %d of %d answer and take the credentials", len(tried), len(all))
	}
	return ok("%d answer and take the credentials", len(all))
}

// registryFault is the first step of a check that fails, up to the credentials.
func registryFault(ctx context.Context, r plimsoll.Registry) string {
	for step := range scheduler.Check(ctx, r) {
		if !step.OK && !step.Skipped {
			return r.ID + ": " + step.Name + ": " + step.Detail
		}
		if step.Name == "auth" {
			break
		}
	}
	return ""
}

// coverage is the answer of /api/v1/coverage as far as it is used.
type coverage struct {
	Feeds []struct {
		Ecosystem string    `json:"ecosystem"`
		State     string    `json:"state"`
		Error     string    `json:"error"`
		Checked   time.Time `json:"checked"`
	} `json:"feeds"`
}

// advisories looks at the feeds.
func advisories(ctx context.Context, p Patient) Result {
	var c coverage
	if err := ask(ctx, p, "/api/v1/coverage", &c); err != nil {
		return away(p, err)
	}
	if len(c.Feeds) == 0 {
		return broken("set reporter.advisories (docs/advisories.md): until then every verdict is unknown", "no feed of advisories is read")
	}
	var bad []string
	for _, f := range c.Feeds {
		if f.State != "fresh" {
			bad = append(bad, strings.TrimSpace(f.Ecosystem+" is "+f.State+" "+f.Error))
		}
	}
	switch {
	case len(bad) == len(c.Feeds):
		return broken("check reporter.advisories and the way to it, then: plimsoll advisories update", "no feed is fresh: %s", bad[0])
	case len(bad) > 0:
		return warning("plimsoll advisories status tells each", "%d of %d feeds are not fresh: %s", len(bad), len(c.Feeds), bad[0])
	}
	return ok("%d feeds, all fresh", len(c.Feeds))
}

// posture asks whether what is shown is whole.
func posture(ctx context.Context, p Patient) Result {
	var s status
	if err := ask(ctx, p, "/api/v1/status", &s); err != nil {
		return away(p, err)
	}
	if len(s.Faults) > 0 {
		return broken("plimsoll fsck tells what is damaged and what to do", "%d parts of the bucket cannot be read: %s", len(s.Faults), s.Faults[0])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Parts)) {
		if word := s.Parts[name]; word != "ok" && name != "nats" && name != "temporal" {
			return warning("wait, or look at the reporter's log", "%s: %s", name, word)
		}
	}
	return ok("whole, version %s", s.Version)
}

// sweepsAnswer is the answer of /api/v1/sweeps as far as it is used.
type sweepsAnswer struct {
	Items []struct {
		ID      string           `json:"id"`
		Running *plimsoll.Sweep  `json:"running"`
		Recent  []plimsoll.Sweep `json:"recent"`
	} `json:"items"`
}

// sweeps looks at the last one of each registry.
func sweeps(ctx context.Context, p Patient) Result {
	var s sweepsAnswer
	if err := ask(ctx, p, "/api/v1/sweeps", &s); err != nil {
		return away(p, err)
	}
	var red, never []string
	for _, r := range s.Items {
		i := slices.IndexFunc(r.Recent, func(s plimsoll.Sweep) bool { return s.State != plimsoll.SweepRunning })
		switch {
		case i < 0 && r.Running == nil:
			never = append(never, r.ID)
		case i >= 0 && r.Recent[i].State != plimsoll.SweepGreen:
			red = append(red, r.ID+" ("+string(r.Recent[i].State)+")")
		}
	}
	switch {
	case len(red) > 0:
		return warning("plimsoll sweep status tells what is not covered and why", "not green: %s", strings.Join(red, ", "))
	case len(never) > 0:
		return warning("plimsoll sweep start "+never[0], "never swept: %s", strings.Join(never, ", "))
	case len(s.Items) == 0:
		return skipped("no registry is configured")
	}
	return ok("the last one of each of %d registries is green or runs", len(s.Items))
}
