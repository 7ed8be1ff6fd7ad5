package workflows

import (
	"context"
	"time"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// ScheduleID is the id of the schedule of a registry's sweeps.
func ScheduleID(registry string) string { return "sweep-" + registry }

// SweepID is the workflow id of a registry's sweep: one at a time, so that an overlapping start joins the running one.
func SweepID(registry string) string { return "sweep/" + registry }

// ReportID is the workflow id of one period's report: "2026-W48" is made once.
func ReportID(period string) string { return "report/" + period }

// SweepInput starts SweepRegistry. Slot is empty at the start and is then the start time; the other fields are what
// continue-as-new carries on.
type SweepInput struct {
	Registry     string
	Actor        string // "schedule", "scan" or a token's name
	Slot         string
	Started      time.Time
	Recipe       plimsoll.Recipe
	Cursor       string // the next page starts after it
	Counts       plimsoll.SweepCount
	Repositories int
}

// PlanID is the workflow id of the plan of a registry's sweep: one is made at a time, and an overlapping start joins it.
func PlanID(registry string) string { return "plan/" + registry }

// RetryID is the workflow id of the retry of one cause.
func RetryID(in RetryInput) string {
	return "retry/" + in.Registry + "/" + plimsoll.DigestOf([]byte(in.Cause)).Hex()[:16]
}

// RetryInput starts RetryCause. Slot is empty at the start and is then the start time. Cause is what the reason of a gap holds
// (any case), or the name of a cause (see [plimsoll.Coverage.Cause]); empty: whatever is short of coverage.
type RetryInput struct {
	Registry, Cause, Actor, Slot string
}

// ReportInput starts WeeklyReport. Period is an ISO week, "2026-W48"; empty means the week that ended last before the
// scheduled time. Zone is an IANA time zone name in which weeks begin and end; empty means UTC. Cutoff is zero, or an instant
// to report instead of the usual one (see [WeeklyReport]).
type ReportInput struct {
	Period string
	Zone   string
	Cutoff time.Time
}

// PageInput asks for one page of a sweep.
type PageInput struct {
	Registry, Slot, Actor string
	Recipe                plimsoll.Recipe
	Cursor                string
}

// PageResult is what one page gave. Cursor is where the next page starts; Done: there is none.
type PageResult struct {
	Cursor       string
	Done         bool
	Counts       plimsoll.SweepCount
	Repositories int
}

// Sweeper is what SweepRegistry's activities call; services/scheduler implements it. All are safe to repeat.
type Sweeper interface {
	// Begin asks a worker for its recipe; an unknown registry is a non-retryable error.
	Begin(ctx context.Context, registry string) (plimsoll.Recipe, error)
	// Page lists one page of repositories after the cursor, resolves each tag by HEAD, compares with refs/, writes what moved and
	// publishes scan requests for what lacks this recipe. It holds while the window of unfinished requests is full, and calls
	// beat at least every 10 s with the repository and tag it has reached; resume is the last such word of a former try.
	Page(ctx context.Context, in PageInput, resume string, beat func(reached string)) (PageResult, error)
	// Drain returns when no request of the sweep is left in the queue.
	Drain(ctx context.Context, registry, slot string, beat func(string)) error
	// Record writes the sweep object while the sweep runs.
	Record(ctx context.Context, s plimsoll.Sweep) error
	// Finish counts coverage from refs/, settles which tags and repositories are gone (two complete listings), writes the final
	// sweep object and the change. s.Error is set when the listing did not end.
	Finish(ctx context.Context, s plimsoll.Sweep, beat func(string)) (plimsoll.Sweep, error)
	// Abandon takes what a cancelled sweep has queued out of the queue and ends the scans of it that run.
	Abandon(ctx context.Context, registry, slot string, beat func(string)) error
	// Plan tells what a sweep would do. It changes nothing.
	Plan(ctx context.Context, registry string, beat func(string)) (plimsoll.SweepPlan, error)
	// Retry queues again what a cause keeps from being covered, and forgets the failed tries of its layers.
	Retry(ctx context.Context, in RetryInput, beat func(string)) (plimsoll.Retry, error)
}

// Plan is what a ScanImages run resolved (object plans/<registry>/<key>); workflows carry its key and ranges alone.
type Plan struct {
	Request *scanv1.ScanRequest `json:"request"`
	Recipe  plimsoll.Recipe     `json:"recipe"`
	Scope   string              `json:"scope,omitempty"` // the registry's [plimsoll.Registry.Scope]
	Targets []PlanTarget        `json:"targets"`
	Images  []plimsoll.Digest   `json:"images"` // to assemble, each once
	Layers  []PlanLayer         `json:"layers"` // that lack facts, largest first, each once
	// Pending are changes that Announce is about to make: written before refs/ are merged and emptied when they stand in
	// changes/, so that a crash in between loses none.
	Pending []plimsoll.Change `json:"pending,omitempty"`
}

// PlanTarget is one target as resolved.
type PlanTarget struct {
	Tag           string                 `json:"tag"`
	Digest        plimsoll.Digest        `json:"digest"`
	Observed      int64                  `json:"observed"`
	NotApplicable string                 `json:"not_applicable,omitempty"`
	Gone          bool                   `json:"gone,omitempty"`   // the registry says there is no such tag
	Failed        string                 `json:"failed,omitempty"` // why it could not be resolved
	Platforms     []plimsoll.RefPlatform `json:"platforms,omitempty"`
	// Ended says that trying again under this recipe gives the same answer: the ref then carries the recipe, and a sweep
	// asks no more. It is false after failures that may pass.
	Ended bool `json:"ended,omitempty"`
}

// PlanLayer is one layer to analyse.
type PlanLayer struct {
	Digest    plimsoll.Digest `json:"digest"`
	Size      int64           `json:"size"`
	MediaType string          `json:"media_type"`
}

// Planned is the small part of a plan that travels: its key and how it is cut into batches. Batch i holds the layers
// [Cuts[i], Cuts[i+1]).
type Planned struct {
	Key    string
	Cuts   []int // batches + 1 entries, at most MaxBatches + 1; empty when no layer lacks facts
	Images int
	Bytes  int64
	Quick  bool // the layers are few and small: reading them takes a moment
	Lone   bool // there is one batch at most: nothing to fan out
}

// Announced counts the targets of a plan that asking again may do better for.
type Announced struct {
	Unsettled int `json:",omitempty"` // they are short of something that could not be read now
	Doubtful  int `json:",omitempty"` // another scan saw the tag elsewhere within moments, and clocks do not tell which was last
}

// Scanner is what ScanImages' activities call; services/scheduler implements it over the workers' gRPC service and the
// bucket. All are safe to repeat; beat is called at least every 10 s.
type Scanner interface {
	// Resolve makes and stores the plan.
	Resolve(ctx context.Context, r *scanv1.ScanRequest, resume string, beat func(string)) (Planned, error)
	// Analyze has the layers [from, to) of a plan analysed. A layer that fails for good is counted in attempts/ and is no error.
	Analyze(ctx context.Context, plan string, from, to int, push bool, beat func(string)) error
	// Assemble has every image of the plan assembled.
	Assemble(ctx context.Context, plan string, beat func(string)) error
	// Announce merges the plan's targets into refs/, appends to changes/ and publishes the hint. It comes last.
	Announce(ctx context.Context, plan string) (Announced, error)
}

// Reporter is what WeeklyReport's activity calls; services/reporter implements it. A period is made once.
// Cutoff is the instant whose state the report shows: the end of the week, or the time of asking while it is not over.
type Reporter interface {
	WriteReport(ctx context.Context, period string, cutoff time.Time) error
}
