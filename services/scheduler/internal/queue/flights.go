package queue

import (
	"container/list"
	"context"
	"sync"
	"time"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// maxRemembered bounds the runs that are remembered for coalescing: a burst of repeats for one image comes within seconds,
// so a few thousand images are far more than one burst holds.
const maxRemembered = 4096

// flights lets one request of a kind fly at a time. A request that was made before the last successful run of its kind
// began is done already: that run read the registry's state later than the request was made.
type flights struct {
	now    func() time.Time
	served func() // called for each request that another's run served

	mu     sync.Mutex
	flying map[string]chan struct{}
	landed map[string]*list.Element // of landing
	by     *list.List               // newest first
}

type landing struct {
	id    string
	began int64 // nanoseconds
}

func newFlights(served func()) *flights {
	return &flights{now: time.Now, served: served, flying: map[string]chan struct{}{}, landed: map[string]*list.Element{}, by: list.New()}
}

// do runs r, waits for a flight of the same kind first, and skips r when that one, begun after it was asked, served it too.
func (f *flights) do(ctx context.Context, r *scanv1.ScanRequest, asked int64, run Run) error {
	id := r.WorkflowID()
	land, served, err := f.start(ctx, id, asked)
	if err != nil || served {
		return err
	}
	began := f.now().UnixNano()
	err = run(ctx, r)
	land(began, err == nil)
	return err
}

// start returns when nothing of this kind flies; land ends the flight that it began.
func (f *flights) start(ctx context.Context, id string, asked int64) (land func(began int64, ok bool), served bool, err error) {
	for {
		f.mu.Lock()
		if e := f.landed[id]; e != nil && asked > 0 && asked < e.Value.(landing).began {
			f.mu.Unlock()
			f.served()
			return nil, true, nil
		}
		other, busy := f.flying[id]
		if !busy {
			mine := make(chan struct{})
			f.flying[id] = mine
			f.mu.Unlock()
			return func(began int64, ok bool) { f.land(id, began, ok); close(mine) }, false, nil
		}
		f.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

func (f *flights) land(id string, began int64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.flying, id)
	if !ok {
		return
	}
	if e := f.landed[id]; e != nil {
		f.by.Remove(e)
	}
	f.landed[id] = f.by.PushFront(landing{id, began})
	if f.by.Len() > maxRemembered {
		oldest := f.by.Remove(f.by.Back()).(landing)
		delete(f.landed, oldest.id)
	}
}
