// Package schedule makes Temporal's schedules match the configuration: one a registry, for its sweeps.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/workflows"
)

const (
	prefix = "sweep-" // of every workflows.ScheduleID

	// DefaultCron is every night at one, when nobody builds.
	DefaultCron = "0 1 * * *"
	// DefaultZone is the time zone of a cron expression without one.
	DefaultZone = "UTC"
	off         = "off"

	// catchUp is how late a missed sweep may still start: less than a day, so that an outage of a week ends in one sweep
	// and not in seven.
	catchUp = 23 * time.Hour
	// startTimeout bounds StartSweep, which only starts another workflow.
	startTimeout = time.Hour
	pageSize     = 100
)

// ID is the schedule's id for a registry.
func ID(registry string) string { return workflows.ScheduleID(registry) }

// Sync creates, changes and deletes schedules until they are those of the registries. A schedule that an operator paused stays
// paused. Schedules of other makers are left alone, even under our prefix. One registry's fault does not stop the others;
// all faults are returned together.
func Sync(ctx context.Context, schedules client.ScheduleClient, registries []plimsoll.Registry, log *slog.Logger) error {
	var faults []error
	wanted := map[string]bool{}
	for _, r := range registries {
		spec, on := specOf(r)
		if !on {
			continue
		}
		wanted[ID(r.ID)] = true
		if err := put(ctx, schedules, r, spec, log); err != nil {
			faults = append(faults, fmt.Errorf("schedule sweeps of %s (%s): %w", r.ID, spec, err))
		}
	}
	if err := remove(ctx, schedules, wanted, log); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// spec is when a registry is swept.
type spec struct{ cron, zone string }

// String is also what stands in the schedule's memo, to be compared: the server stores cron expressions in another form.
func (s spec) String() string { return s.cron + " " + s.zone }

func specOf(r plimsoll.Registry) (s spec, on bool) {
	s = spec{strings.TrimSpace(r.Sweep.Cron), r.Sweep.TimeZone}
	if s.cron == "" {
		s.cron = DefaultCron
	}
	if s.zone == "" {
		s.zone = DefaultZone
	}
	return s, s.cron != off
}

func put(ctx context.Context, schedules client.ScheduleClient, r plimsoll.Registry, s spec, log *slog.Logger) error {
	handle := schedules.GetHandle(ctx, ID(r.ID))
	found, err := handle.Describe(ctx)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return create(ctx, schedules, r, s, log)
	case err != nil:
		return err
	case specIn(found.Schedule.Action) == s.String():
		return nil
	}
	return update(ctx, handle, r, s, log)
}

func create(ctx context.Context, schedules client.ScheduleClient, r plimsoll.Registry, s spec, log *slog.Logger) error {
	_, err := schedules.Create(ctx, client.ScheduleOptions{
		ID:            ID(r.ID),
		Spec:          s.temporal(),
		Action:        action(r, s),
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: catchUp,
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return nil // another scheduler was faster, from the same configuration
	}
	if err == nil {
		log.Info("sweeps are scheduled", "registry", r.ID, "cron", s.cron, "time_zone", s.zone)
	}
	return err
}

func update(ctx context.Context, handle client.ScheduleHandle, r plimsoll.Registry, s spec, log *slog.Logger) error {
	err := handle.Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			changed := in.Description.Schedule // its state, paused or not, stays
			when := s.temporal()
			changed.Spec = &when
			changed.Action = action(r, s)
			changed.Policy = &client.SchedulePolicies{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: catchUp}
			return &client.ScheduleUpdate{Schedule: &changed}, nil
		},
	})
	if err == nil {
		log.Info("schedule of sweeps has changed", "registry", r.ID, "cron", s.cron, "time_zone", s.zone)
	}
	return err
}

func (s spec) temporal() client.ScheduleSpec {
	return client.ScheduleSpec{CronExpressions: []string{s.cron}, TimeZoneName: s.zone}
}

// memoSpec is the memo under which a schedule's action keeps the configured words.
const memoSpec = "plimsoll-schedule"

// action starts StartSweep, which joins a sweep that runs already.
func action(r plimsoll.Registry, s spec) *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID:                       "start-" + ID(r.ID),
		Workflow:                 workflows.NameStart,
		Args:                     []any{workflows.SweepInput{Registry: r.ID, Actor: "schedule"}},
		TaskQueue:                scanv1.TaskQueueSweeps,
		WorkflowExecutionTimeout: startTimeout,
		Memo:                     map[string]any{memoSpec: s.String()},
	}
}

// specIn reads the configured words back; empty for an action of another maker or version, which is then replaced.
func specIn(a client.ScheduleAction) (s string) {
	w, ok := a.(*client.ScheduleWorkflowAction)
	if !ok {
		return ""
	}
	payload, ok := w.Memo[memoSpec].(*commonpb.Payload)
	if !ok || converter.GetDefaultDataConverter().FromPayload(payload, &s) != nil {
		return ""
	}
	return s
}

// remove deletes our schedules that nobody wants any more. The list may be some seconds old; what it misses now it shows at
// the next start.
func remove(ctx context.Context, schedules client.ScheduleClient, wanted map[string]bool, log *slog.Logger) error {
	list, err := schedules.List(ctx, client.ScheduleListOptions{PageSize: pageSize})
	if err != nil {
		return fmt.Errorf("list schedules: %w", err)
	}
	var faults []error
	for list.HasNext() {
		entry, err := list.Next()
		if err != nil {
			return errors.Join(append(faults, fmt.Errorf("list schedules: %w", err))...)
		}
		if !strings.HasPrefix(entry.ID, prefix) || entry.WorkflowType.Name != workflows.NameStart || wanted[entry.ID] {
			continue
		}
		err = schedules.GetHandle(ctx, entry.ID).Delete(ctx)
		if missing := new(serviceerror.NotFound); err != nil && !errors.As(err, &missing) {
			faults = append(faults, fmt.Errorf("delete schedule %s: %w", entry.ID, err))
			continue
		}
		log.Info("schedule of a registry that is not configured any more is deleted", "schedule", entry.ID)
	}
	return errors.Join(faults...)
}
