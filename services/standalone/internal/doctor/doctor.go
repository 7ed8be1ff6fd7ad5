package doctor

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/config"
)

// State is how a check ended.
type State string

// The states of a check, best first.
const (
	OK      State = "ok"
	Skipped State = "skipped" // there is nothing to look at
	Warning State = "warning" // it works, and will not for long, or not well
	Broken  State = "broken"
)

// Result is one check.
type Result struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail"` // facts, or what is wrong
	Fix    string `json:"fix"`    // what to do; empty when nothing is wrong
}

// Patient is what is looked at.
type Patient struct {
	File   config.File
	Server string // URL of the running Plimsoll
	Token  string // for it; may be empty
	Now    func() time.Time
}

// limit is how long all checks may take together: they run side by side, and each that is not done by then is broken.
const limit = 4500 * time.Millisecond

// check is one look.
type check struct {
	name string
	look func(context.Context, Patient) Result
}

var checks = []check{
	{"data folder", data},
	{"bucket", bucket},
	{"clock", clock},
	{"queue (NATS)", queue},
	{"orchestrator (Temporal)", temporal},
	{"workers", workers},
	{"registries", registries},
	{"advisories", advisories},
	{"posture", posture},
	{"sweeps", sweeps},
}

// Look makes all checks side by side; the results come in their fixed order.
func Look(ctx context.Context, p Patient) []Result {
	if p.Now == nil {
		p.Now = time.Now
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out := make([]Result, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() { out[i] = within(ctx, c, p) })
	}
	all.Wait()
	return out
}

// within makes one check and gives up on one that outlives the limit: it may be in a call that does not listen to its context.
func within(ctx context.Context, c check, p Patient) Result {
	done := make(chan Result, 1)
	go func() { done <- c.look(ctx, p) }()
	late := time.NewTimer(limit + 200*time.Millisecond)
	defer late.Stop()
	r := Result{State: Broken, Detail: fmt.Sprintf("no answer within %v", limit), Fix: "look at the network between here and there, and at whether it runs"}
	select {
	case r = <-done:
	case <-late.C:
	}
	r.Name = c.name
	return r
}

func ok(format string, args ...any) Result {
	return Result{State: OK, Detail: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) Result {
	return Result{State: Skipped, Detail: fmt.Sprintf(format, args...)}
}

func warning(fix, format string, args ...any) Result {
	return Result{State: Warning, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

func broken(fix, format string, args ...any) Result {
	return Result{State: Broken, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

var client = &http.Client{Timeout: limit}
