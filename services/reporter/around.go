package reporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

const (
	// aroundEvery is how often the engines around are looked at: a few small requests a registry.
	aroundEvery = 20 * time.Second
	// aroundTimeout bounds one look.
	aroundTimeout = 10 * time.Second
	// eventHours is over how many hours push events are counted.
	eventHours = 24
	// lettersShown is how many dead letters are read: what a person looks through.
	lettersShown = 50
)

// around keeps what is known of schedules, push events and dead letters.
type around struct {
	registries []plimsoll.Registry
	store      *blob.Store
	temporal   *orchestrator
	nats       *nats.Conn
	log        *slog.Logger
	last       atomic.Pointer[list.Around]
}

// now is what the last look found; nothing before the first.
func (a *around) now() list.Around {
	if got := a.last.Load(); got != nil {
		return *got
	}
	return list.Around{Letters: list.DeadLetters{Fault: "not looked at yet"}}
}

// run looks until ctx ends.
func (a *around) run(ctx context.Context) {
	for {
		a.look(ctx)
		if !pause(ctx, aroundEvery) {
			return
		}
	}
}

// look looks once. What cannot be told is left out.
func (a *around) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, aroundTimeout)
	defer cancel()
	out := list.Around{Registries: map[string]list.RegistryAround{}}
	waiting := pushesWaiting(ctx, a.nats)
	for _, r := range a.registries {
		var x list.RegistryAround
		if waiting != nil {
			n := int(waiting[(&scanv1.ScanRequest{Lane: scanv1.Lane_LANE_PUSH, Registry: r.ID}).Subject()])
			x.Pushes = &n
		}
		if next, err := a.temporal.Next(ctx, r.ID); err == nil {
			x.Next = &next
		}
		if r.Hook.Expected() {
			got, err := a.store.PushEvents(ctx, r.ID, time.Now(), eventHours)
			if err == nil {
				x.Events = &got
			} else if ctx.Err() == nil {
				a.log.Warn("push events cannot be told", "registry", r.ID, "error", err)
			}
		}
		out.Registries[r.ID] = x
	}
	out.Letters = letters(ctx, a.nats)
	a.last.Store(&out)
}

// pushesWaiting are the requests of pushes that have not ended, by subject; nil when that cannot be told.
func pushesWaiting(ctx context.Context, nc *nats.Conn) map[string]uint64 {
	if nc == nil || !nc.IsConnected() {
		return nil
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil
	}
	s, err := js.Stream(ctx, scanv1.StreamRequests)
	if err != nil {
		return nil
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(scanv1.SubjectsPush))
	if err != nil {
		return nil
	}
	if info.State.Subjects == nil {
		return map[string]uint64{}
	}
	return info.State.Subjects
}

// letters reads the newest dead letters.
func letters(ctx context.Context, nc *nats.Conn) list.DeadLetters {
	out := list.DeadLetters{Recent: []list.DeadLetter{}}
	if nc == nil || !nc.IsConnected() {
		out.Fault = "NATS is not connected"
		return out
	}
	if err := readLetters(ctx, nc, &out); err != nil {
		out.Fault = err.Error()
	}
	return out
}

func readLetters(ctx context.Context, nc *nats.Conn, out *list.DeadLetters) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	s, err := js.Stream(ctx, scanv1.StreamDeadLetters)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // no scheduler has made the streams yet, so nothing has failed
	}
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	state := s.CachedInfo().State
	out.Total = int(state.Msgs)
	for seq := state.LastSeq; seq >= max(1, state.FirstSeq) && len(out.Recent) < lettersShown && state.Msgs > 0; seq-- {
		m, err := s.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("dead letter %d: %w", seq, err)
		}
		out.Recent = append(out.Recent, letterOf(m))
	}
	return nil
}

// letterOf tells a dead letter; of one that cannot be decoded its subject and time remain.
func letterOf(m *jetstream.RawStreamMsg) list.DeadLetter {
	var d scanv1.DeadLetter
	if err := proto.Unmarshal(m.Data, &d); err != nil {
		return list.DeadLetter{Registry: m.Subject, Reason: "unreadable", Failed: m.Time.UTC()}
	}
	r := d.GetRequest()
	out := list.DeadLetter{
		Registry: r.GetRegistry(), Repository: r.GetRepository(), Lane: "sweep", Reason: d.GetReason(),
		Failed: time.Unix(0, d.GetFailedUnixNano()).UTC(), Deliveries: int(d.GetDeliveries()), Trace: r.GetTrace(), Tags: []string{},
	}
	if r.GetLane() == scanv1.Lane_LANE_PUSH {
		out.Lane = "push"
	}
	for _, t := range r.GetTargets() {
		if t.GetTag() != "" {
			out.Tags = append(out.Tags, t.GetTag())
		} else {
			out.Tags = append(out.Tags, t.GetDigest())
		}
	}
	return out
}
