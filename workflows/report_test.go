package workflows

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/plimsoll/plimsoll"
)

// press is a Reporter that notes what it is asked to write.
type press struct {
	mu      sync.Mutex
	written []string
	fail    func(try int) error
}

func (p *press) WriteReport(_ context.Context, period string, cutoff time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written = append(p.written, period+" until "+cutoff.UTC().Format(time.RFC3339))
	if p.fail != nil {
		return p.fail(len(p.written))
	}
	return nil
}

func TestReportSlot(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time { v, _ := time.Parse(time.RFC3339, s); return v }
	tests := []struct {
		name string
		in   ReportInput
		at   time.Time
		want string // period and cut-off; or the fault
	}{
		{"monday morning: the week that ended at midnight", ReportInput{}, at("2026-11-30T06:00:00Z"), "2026-W48 2026-11-30T00:00:00Z"},
		{"later in the week: still that one", ReportInput{}, at("2026-12-04T12:00:00Z"), "2026-W48 2026-11-30T00:00:00Z"},
		{"the zone decides the week", ReportInput{Zone: "America/New_York"}, at("2026-11-30T03:00:00Z"), "2026-W47 2026-11-23T05:00:00Z"},
		{"summer time ends in the week", ReportInput{Zone: "Europe/Berlin"}, at("2026-10-26T06:00:00Z"), "2026-W43 2026-10-25T23:00:00Z"},
		{"the turn of the year", ReportInput{}, at("2027-01-04T06:00:00Z"), "2026-W53 2027-01-04T00:00:00Z"},
		{"an asked week that is over", ReportInput{Period: "2026-W10"}, at("2026-11-30T06:00:00Z"), "2026-W10 2026-03-09T00:00:00Z"},
		{"an asked instant", ReportInput{Period: "2026-W10", Cutoff: at("2026-03-05T00:00:00Z")}, at("2026-11-30T06:00:00Z"), "2026-W10 2026-03-05T00:00:00Z"},
		{"an asked week that is not over", ReportInput{Period: "2026-W49"}, at("2026-12-01T06:00:00Z"), "2026-W49 2026-12-01T06:00:00Z"},
		{"no such week", ReportInput{Period: "2025-W53"}, at("2026-11-30T06:00:00Z"), `period "2025-W53": there is no such ISO week`},
		{"week zero", ReportInput{Period: "2026-W00"}, at("2026-11-30T06:00:00Z"), `period "2026-W00": there is no such ISO week`},
		{"no week", ReportInput{Period: "November"}, at("2026-11-30T06:00:00Z"), `period "November": want an ISO week like 2026-W48`},
		{"more than a week", ReportInput{Period: "2026-W48/../x"}, at("2026-11-30T06:00:00Z"), `period "2026-W48/../x": there is no such ISO week`},
		{"no zone", ReportInput{Zone: "Atlantis"}, at("2026-11-30T06:00:00Z"), `report zone "Atlantis" is not known`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			slot, err := test.in.slot(test.at)
			got := slot.Period + " " + slot.Cutoff.Format(time.RFC3339)
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzReportSlot(f *testing.F) {
	for _, s := range []string{"", "2026-W48", "2026-W53", "0000-W01", "-999-W-9", "2026-W4\n8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, period string) {
		slot, err := ReportInput{Period: period}.slot(sweepStart)
		if err != nil {
			return
		}
		if len(slot.Period) != len("2026-W48") || slot.Cutoff.After(sweepStart) {
			t.Errorf("period %q: slot %+v, want a plain week and a cut-off not after %v", period, slot, sweepStart)
		}
	})
}

func reportEnv(p *press, start time.Time) *testsuite.TestWorkflowEnvironment {
	env := newEnv()
	env.SetTestTimeout(time.Minute)
	env.SetStartTime(start)
	RegisterReport(env, p)
	return env
}

func TestWeeklyReport(t *testing.T) {
	t.Parallel()
	monday := time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC)
	once := "2026-W48 until 2026-11-30T00:00:00Z"
	tests := []struct {
		name    string
		start   time.Time
		planned time.Time // by a schedule, when it differs from the start
		press   *press
		in      ReportInput
		written []string
		err     error
		text    string
	}{
		{name: "as scheduled", start: monday, press: &press{}, written: []string{once}},
		{name: "as asked", start: monday, press: &press{}, in: ReportInput{Period: "2026-W48"}, written: []string{once}},
		{name: "caught up after an outage", start: monday.AddDate(0, 0, 9), planned: monday, press: &press{}, written: []string{once}},
		{name: "retried", start: monday, press: &press{fail: func(try int) error {
			if try < 3 {
				return plimsoll.ErrUnavailable
			}
			return nil
		}}, written: []string{once, once, once}},
		{name: "failed for good", start: monday, press: &press{fail: func(int) error { return fmt.Errorf("posture: %w", plimsoll.ErrInvalid) }},
			in: ReportInput{Period: "2026-W48"}, written: []string{once}, err: plimsoll.ErrInvalid, text: "write report 2026-W48: posture: invalid"},
		{name: "no such period", start: monday, press: &press{}, in: ReportInput{Period: "x"}, err: plimsoll.ErrInvalid,
			text: `period: period "x": want an ISO week like 2026-W48: invalid`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env := reportEnv(test.press, test.start)
			if !test.planned.IsZero() {
				if err := env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(scheduledStart.ValueSet(test.planned))); err != nil {
					t.Fatal(err)
				}
			}
			env.ExecuteWorkflow(NameReport, test.in)
			checkFailure(t, env.GetWorkflowError(), test.err, test.text)
			if diff := cmp.Diff(test.written, test.press.written); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
		})
	}
}
