package store

import (
	"container/list"
	"sync"
)

// maxRecent bounds what was just written and is kept to be read once, in bytes as they are stored.
const maxRecent = 32 << 20

// recent keeps what this worker has just written until it reads it: a layer's facts are needed the moment after they are made, to
// assemble the image that asked for them. What is not read soon gives way to what is newer.
type recent struct {
	mu    sync.Mutex
	bytes int
	order *list.List // of written, newest first
	at    map[string]*list.Element
}

type written struct {
	key   string
	value any
	bytes int
}

func newRecent() *recent { return &recent{order: list.New(), at: map[string]*list.Element{}} }

func (r *recent) put(key string, value any, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(r.at[key])
	r.at[key] = r.order.PushFront(written{key, value, bytes})
	for r.bytes += bytes; r.bytes > maxRecent; {
		r.drop(r.order.Back())
	}
}

// take gives what was written under a key, and forgets it.
func (r *recent) take(key string) (value any, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.at[key]
	if e == nil {
		return nil, false
	}
	value = e.Value.(written).value
	r.drop(e)
	return value, true
}

func (r *recent) drop(e *list.Element) {
	if e == nil {
		return
	}
	w := r.order.Remove(e).(written)
	delete(r.at, w.key)
	r.bytes -= w.bytes
}
