package schedule

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/workflows"
)

// server is Temporal's schedules in memory. It changes what it is given as the real one does: memos become payloads, and
// cron expressions are not given back.
type server struct {
	client.ScheduleClient
	all   map[string]*stored
	calls []string
	fails map[string]error // by "call id"
}

type stored struct {
	schedule client.Schedule
	workflow string
	cron     string
}

func (s *server) note(call, id string) error {
	s.calls = append(s.calls, call+" "+id)
	return s.fails[call+" "+id]
}

func (s *server) Create(_ context.Context, o client.ScheduleOptions) (client.ScheduleHandle, error) {
	if err := s.note("create", o.ID); err != nil {
		return nil, err
	}
	s.put(o.ID, client.Schedule{Spec: &o.Spec, Action: o.Action, Policy: &client.SchedulePolicies{Overlap: o.Overlap}, State: &client.ScheduleState{}})
	return handle{s, o.ID}, nil
}

func (s *server) put(id string, sc client.Schedule) {
	a := *sc.Action.(*client.ScheduleWorkflowAction)
	memo := map[string]any{}
	for name, v := range a.Memo {
		p, err := converter.GetDefaultDataConverter().ToPayload(v)
		if err != nil {
			panic(err) // strings always encode
		}
		memo[name] = p
	}
	a.Memo = memo
	st := &stored{cron: strings.Join(sc.Spec.CronExpressions, ",") + " " + sc.Spec.TimeZoneName, workflow: a.Workflow.(string)}
	sc.Action, sc.Spec = &a, &client.ScheduleSpec{TimeZoneName: sc.Spec.TimeZoneName}
	st.schedule = sc
	s.all[id] = st
}

func (s *server) GetHandle(_ context.Context, id string) client.ScheduleHandle { return handle{s, id} }

func (s *server) List(context.Context, client.ScheduleListOptions) (client.ScheduleListIterator, error) {
	var entries []*client.ScheduleListEntry
	for _, id := range slices.Sorted(maps.Keys(s.all)) {
		e := &client.ScheduleListEntry{ID: id}
		e.WorkflowType.Name = s.all[id].workflow
		entries = append(entries, e)
	}
	return &iterator{entries}, nil
}

type iterator struct{ left []*client.ScheduleListEntry }

func (i *iterator) HasNext() bool { return len(i.left) > 0 }

func (i *iterator) Next() (*client.ScheduleListEntry, error) {
	e := i.left[0]
	i.left = i.left[1:]
	return e, nil
}

type handle struct {
	server *server
	id     string
}

func (h handle) GetID() string { return h.id }

func (h handle) Describe(context.Context) (*client.ScheduleDescription, error) {
	st, ok := h.server.all[h.id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such schedule")
	}
	return &client.ScheduleDescription{Schedule: st.schedule}, nil
}

func (h handle) Update(_ context.Context, o client.ScheduleUpdateOptions) error {
	if err := h.server.note("update", h.id); err != nil {
		return err
	}
	u, err := o.DoUpdate(client.ScheduleUpdateInput{Description: client.ScheduleDescription{Schedule: h.server.all[h.id].schedule}})
	if err != nil {
		return err
	}
	h.server.put(h.id, *u.Schedule)
	return nil
}

func (h handle) Delete(context.Context) error {
	if err := h.server.note("delete", h.id); err != nil {
		return err
	}
	delete(h.server.all, h.id)
	return nil
}

func (h handle) Backfill(context.Context, client.ScheduleBackfillOptions) error { return nil }
func (h handle) Trigger(context.Context, client.ScheduleTriggerOptions) error   { return nil }
func (h handle) Pause(context.Context, client.SchedulePauseOptions) error       { return nil }
func (h handle) Unpause(context.Context, client.ScheduleUnpauseOptions) error   { return nil }

func (s *server) crons() map[string]string {
	m := map[string]string{}
	for id, st := range s.all {
		m[id] = st.cron
	}
	return m
}

func sync(t *testing.T, s *server, registries ...plimsoll.Registry) error {
	t.Helper()
	s.calls = nil
	return Sync(t.Context(), s, registries, slog.New(slog.DiscardHandler))
}

func reg(id, cron, zone string) plimsoll.Registry {
	return plimsoll.Registry{ID: id, Sweep: plimsoll.Schedule{Cron: cron, TimeZone: zone}}
}

func TestSync(t *testing.T) {
	t.Parallel()
	s := &server{all: map[string]*stored{
		// Somebody else's, under a name that looks like ours.
		"sweep-floor": {workflow: "CleanFloor", cron: "theirs"},
	}}
	steps := []struct {
		name       string
		registries []plimsoll.Registry
		calls      []string
		crons      map[string]string
	}{
		{
			"create", []plimsoll.Registry{reg("a", "", ""), reg("b", "30 2 * * 1", "Europe/Berlin"), reg("c", "off", "")},
			[]string{"create sweep-a", "create sweep-b"},
			map[string]string{"sweep-a": "0 1 * * * UTC", "sweep-b": "30 2 * * 1 Europe/Berlin", "sweep-floor": "theirs"},
		},
		{
			"nothing to do", []plimsoll.Registry{reg("a", "0 1 * * *", "UTC"), reg("b", "30 2 * * 1", "Europe/Berlin")}, nil,
			map[string]string{"sweep-a": "0 1 * * * UTC", "sweep-b": "30 2 * * 1 Europe/Berlin", "sweep-floor": "theirs"},
		},
		{
			"another time and zone", []plimsoll.Registry{reg("a", "0 3 * * *", ""), reg("b", "30 2 * * 1", "UTC")},
			[]string{"update sweep-a", "update sweep-b"},
			map[string]string{"sweep-a": "0 3 * * * UTC", "sweep-b": "30 2 * * 1 UTC", "sweep-floor": "theirs"},
		},
		{
			"switched off and removed", []plimsoll.Registry{reg("a", "off", "")}, []string{"delete sweep-a", "delete sweep-b"},
			map[string]string{"sweep-floor": "theirs"},
		},
	}
	for _, step := range steps {
		if err := sync(t, s, step.registries...); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.calls, s.calls); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", step.name, diff)
		}
		if diff := cmp.Diff(step.crons, s.crons()); diff != "" {
			t.Errorf("%s: schedules (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestSyncKeepsAPause(t *testing.T) {
	t.Parallel()
	s := &server{all: map[string]*stored{}}
	if err := sync(t, s, reg("a", "0 1 * * *", "")); err != nil {
		t.Fatal(err)
	}
	s.all["sweep-a"].schedule.State.Paused = true
	if err := sync(t, s, reg("a", "0 2 * * *", "")); err != nil {
		t.Fatal(err)
	}
	if !s.all["sweep-a"].schedule.State.Paused {
		t.Error("a changed cron expression has woken a paused schedule")
	}
}

// A registry whose cron expression the server refuses does not stop the others.
func TestSyncGoesOn(t *testing.T) {
	t.Parallel()
	refused := serviceerror.NewInvalidArgument("bad cron")
	s := &server{all: map[string]*stored{}, fails: map[string]error{"create sweep-a": refused}}
	err := sync(t, s, reg("a", "61 * * * *", ""), reg("b", "", ""))
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), "61 * * * *") {
		t.Errorf("Sync = %v, want the refusal with the expression", err)
	}
	if _, ok := s.all["sweep-b"]; !ok {
		t.Error("b has no schedule")
	}
}

func TestAction(t *testing.T) {
	t.Parallel()
	a := action(reg("a", "", ""), spec{"0 1 * * *", "UTC"})
	in, ok := a.Args[0].(workflows.SweepInput)
	if !ok || in.Registry != "a" || in.Actor != "schedule" || a.Workflow != workflows.NameStart || a.TaskQueue != "sweeps" {
		t.Errorf("action %+v, want StartSweep of a by the schedule on sweeps", a)
	}
}
