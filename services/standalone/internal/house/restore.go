package house

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// RestoreOptions say into what a backup is restored.
type RestoreOptions struct {
	// Replace empties a bucket that holds something first. Facts, images and inventories stay: they are keyed by what was
	// hashed, so they are right whatever else the bucket holds, and spare reading layers again.
	Replace  bool
	Actor    string
	Now      func() time.Time
	Progress Progress
}

// Restored is what a restore did.
type Restored struct {
	Head   Head
	End    End
	Reread int // tags that the next sweep reads again, because the backup has no inventories
}

// restoring is the object that stands while a restore goes on.
type restoring struct {
	Backup string    `json:"backup"` // its id
	Begun  time.Time `json:"begun"`
	Copied bool      `json:"copied"` // all objects stand; tags and log are being brought up to each other
}

// Restore reads the whole archive and checks every sum before it writes anything, then writes it into an empty bucket, or goes on
// where a restore of the same archive was cut. Nothing else may use the bucket meanwhile.
func Restore(ctx context.Context, s *blob.Store, archive io.ReadSeeker, o RestoreOptions) (Restored, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	n := 0
	h, e, err := readArchive(archive, func(_ Head, x blob.Stored) error {
		n++
		o.Progress.tell("checking", n, int64(len(x.Bytes)))
		return ctx.Err()
	})
	out := Restored{Head: h, End: e}
	if err != nil {
		return out, err
	}
	r := restore{store: s, o: o, out: &out}
	state, err := r.begin(ctx)
	if err != nil {
		return out, fmt.Errorf("restore: %w", err)
	}
	if !state.Copied {
		if _, err := archive.Seek(0, io.SeekStart); err != nil {
			return out, fmt.Errorf("restore: %w", err)
		}
		if err := r.copy(ctx, archive); err != nil {
			return out, fmt.Errorf("restore: %w; run it again to go on", err)
		}
		state.Copied = true
		if err := blob.PutJSON(ctx, s, blob.RestoringKey, state); err != nil {
			return out, fmt.Errorf("restore: %w; run it again to go on", err)
		}
	}
	if err := r.finish(ctx); err != nil {
		return out, fmt.Errorf("restore: %w; run it again to go on", err)
	}
	return out, nil
}

type restore struct {
	store *blob.Store
	o     RestoreOptions
	out   *Restored
}

// begin makes sure that the bucket is empty, or holds a part of this very backup.
func (r *restore) begin(ctx context.Context) (restoring, error) {
	state, err := blob.ReadJSON[restoring](ctx, r.store, blob.RestoringKey)
	switch {
	case err == nil && state.Backup == r.out.Head.ID:
		return state, nil
	case err == nil && !r.o.Replace:
		return state, fmt.Errorf("%w: the bucket holds a part of another backup (%s); restore that one to its end, or give --replace", plimsoll.ErrInvalid, state.Backup)
	case err != nil && !errors.Is(err, plimsoll.ErrNotFound):
		return state, err
	}
	state = restoring{Backup: r.out.Head.ID, Begun: r.o.Now().UTC()}
	for e, err := range r.store.List(ctx, "", "") {
		if err != nil {
			return state, err
		}
		if r.o.Replace {
			break
		}
		return state, fmt.Errorf("%w: the bucket is not empty (it holds %s); restore into an empty one, or give --replace, which deletes what it holds but for facts, images and inventories",
			plimsoll.ErrInvalid, e.Key)
	}
	// The mark comes first: what is emptied by half must not be taken for a bucket that is whole.
	if err := blob.PutJSON(ctx, r.store, blob.RestoringKey, state); err != nil {
		return state, err
	}
	return state, r.empty(ctx)
}

// staying are the parts that are right whatever else a bucket holds.
var staying = []string{blob.PrefixFacts, blob.PrefixImages, blob.PrefixInventories}

func (r *restore) empty(ctx context.Context) error {
	for _, k := range kinds {
		if slices.Contains(staying, k.prefix) {
			continue
		}
		for e, err := range r.store.List(ctx, k.prefix, "") {
			if err != nil {
				return err
			}
			if err := r.store.Delete(ctx, e.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// heldAtOnce bounds the bytes of objects that are being written: what a restore needs of memory, beside one object.
const heldAtOnce = 64 << 20

// copy writes the objects, several at once.
func (r *restore) copy(ctx context.Context, archive io.Reader) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := writes{slots: make(chan struct{}, atOnce)}
	w.room.L = &w.mu
	n := 0
	_, _, err := readArchive(archive, func(h Head, o blob.Stored) error {
		if h.ID != r.out.Head.ID {
			return broken("the file was changed meanwhile")
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n++
		r.o.Progress.tell("writing", n, int64(len(o.Bytes)))
		w.start(int64(len(o.Bytes)), func() {
			if err := r.put(ctx, o); err != nil {
				cancel(err)
			}
		})
		return nil
	})
	w.wait()
	return errors.Join(context.Cause(ctx), ignoreCancel(ctx, err))
}

// ignoreCancel drops an error that only says what ctx says already.
func ignoreCancel(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

// put writes one object, unless it stands already.
func (r *restore) put(ctx context.Context, o blob.Stored) error {
	err := r.store.CreateSealed(ctx, o.Key, o.Bytes, o.Sum)
	if !errors.Is(err, blob.ErrExists) {
		return err
	}
	sum, there, err := r.store.Sum(ctx, o.Key)
	if err != nil || there && sum == o.Sum {
		return err
	}
	return r.store.PutSealed(ctx, o.Key, o.Bytes, o.Sum) // an inventory that stayed, and differs
}

// writes bounds what is written at once, in number and in bytes.
type writes struct {
	slots chan struct{}
	mu    sync.Mutex
	room  sync.Cond
	held  int64
	all   sync.WaitGroup
}

func (w *writes) start(size int64, put func()) {
	w.slots <- struct{}{}
	w.mu.Lock()
	for w.held > 0 && w.held+size > heldAtOnce {
		w.room.Wait()
	}
	w.held += size
	w.mu.Unlock()
	w.all.Go(func() {
		defer func() {
			w.mu.Lock()
			w.held -= size
			w.room.Broadcast()
			w.mu.Unlock()
			<-w.slots
		}()
		put()
	})
}

func (w *writes) wait() { w.all.Wait() }

// finish brings tags up to the log, has read again what the backup lacks, and tells the log of the restore. It may be cut and
// done again: each step leaves alone what is done.
func (r *restore) finish(ctx context.Context) error {
	for stream := range r.out.End.To {
		if err := r.level(ctx, stream); err != nil {
			return fmt.Errorf("bring the tags of %s and the change log up to each other: %w", stream, err)
		}
	}
	if !r.out.Head.Inventories {
		n, err := reread(ctx, r.store, r.o.Actor, r.o.Now().UTC(), func(ctx context.Context, ref plimsoll.Ref) (bool, error) { return lacks(ctx, r.store, ref) })
		if r.out.Reread = n; err != nil {
			return err
		}
	}
	change := plimsoll.Change{Kind: plimsoll.ChangeCommand, Subject: "bucket", Text: fmt.Sprintf("restored from the backup of %s, made by version %s: %d objects",
		r.out.Head.Made.UTC().Format("2006-01-02 15:04 UTC"), r.out.Head.Version, r.out.End.Objects)}
	if _, err := r.store.Append(ctx, plimsoll.StreamDecisions, r.o.Actor, r.o.Now().UTC(), []plimsoll.Change{change}); err != nil {
		return err
	}
	return r.store.Delete(ctx, blob.RestoringKey)
}

// lacks reports whether a tag counts as read and its inventories are not there.
func lacks(ctx context.Context, s *blob.Store, ref plimsoll.Ref) (bool, error) {
	for _, key := range inventoryKeys(ref) {
		if there, err := s.Head(ctx, key); err != nil || !there {
			return err == nil, err
		}
	}
	return false, nil
}
