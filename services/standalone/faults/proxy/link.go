package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A Link relays TCP connections from an address of its own to a target, which may change: clients of a server that restarts
// elsewhere keep one address. It is safe for concurrent use. Close it.
type Link struct {
	listener net.Listener
	done     sync.WaitGroup

	mu     sync.Mutex
	target string
	pairs  map[*pair]struct{}
	rules  rules
	change chan struct{} // closed and replaced when rules change
	stats  Stats
	closed bool
}

// rules are how bytes pass now.
type rules struct {
	refuse   bool
	up, down bool // held: towards the target, towards the client
	delay    time.Duration
	cut      int64 // of each new connection, towards the client; 0: never
}

// Stats are what has passed since the start.
type Stats struct {
	Connections int   // accepted
	Refused     int   // of those, closed at once: told to, or the target does not answer
	Cut         int   // broken by Cut or Break
	Up, Down    int64 // bytes towards the target and towards the client
	Held        int64 // bytes that waited for Hold to end
}

// A pair is the two halves of one relayed connection.
type pair struct{ client, server net.Conn }

func (p *pair) close() {
	_ = p.client.Close()
	_ = p.server.Close()
}

// NewLink listens on a free port of loopback. Without a target it refuses connections until Aim gives one.
func NewLink(target string) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a relay: %w", err)
	}
	k := &Link{listener: l, target: target, pairs: map[*pair]struct{}{}, change: make(chan struct{})}
	k.done.Go(k.accept)
	return k, nil
}

// Address is where clients connect, host:port.
func (k *Link) Address() string { return k.listener.Addr().String() }

// Aim sends new connections to another target; "" refuses them.
func (k *Link) Aim(target string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.target = target
}

// Refuse closes new connections at once and breaks those that stand, until it is called with false.
func (k *Link) Refuse(on bool) {
	k.bend(func(r *rules) { r.refuse = on })
	if on {
		k.Break()
	}
}

// Hold keeps what is sent towards the target (up) or the client (down) from arriving, as a network that lost its way does;
// it arrives when the hold ends, unless the connection was broken.
func (k *Link) Hold(up, down bool) { k.bend(func(r *rules) { r.up, r.down = up, down }) }

// Delay makes each piece of data wait so long in both directions.
func (k *Link) Delay(d time.Duration) { k.bend(func(r *rules) { r.delay = d }) }

// Cut breaks each new connection when so many bytes went to its client; 0 ends that.
func (k *Link) Cut(after int64) { k.bend(func(r *rules) { r.cut = after }) }

// Heal lets everything pass again.
func (k *Link) Heal() { k.bend(func(r *rules) { *r = rules{} }) }

func (k *Link) bend(f func(*rules)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.rules)
	close(k.change)
	k.change = make(chan struct{})
}

// Break closes all connections that stand.
func (k *Link) Break() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p := range k.pairs {
		p.close()
		k.stats.Cut++
	}
}

// Stats returns a copy.
func (k *Link) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

// Open is the number of connections that stand.
func (k *Link) Open() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.pairs)
}

// Close ends the listener and all connections and waits for them.
func (k *Link) Close() {
	_ = k.listener.Close()
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.Heal()
	k.Break()
	k.done.Wait()
}

func (k *Link) accept() {
	for {
		c, err := k.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors: some will come back
			continue
		}
		k.done.Go(func() { k.relay(c) })
	}
}

// dialTimeout bounds the connection to the target, which is on this machine.
const dialTimeout = 5 * time.Second

func (k *Link) relay(client net.Conn) {
	p, cut := k.join(client)
	if p == nil {
		_ = client.Close()
		return
	}
	defer k.leave(p)
	var both sync.WaitGroup
	both.Go(func() { k.pump(p, p.server, p.client, true, 0) })
	both.Go(func() { k.pump(p, p.client, p.server, false, cut) })
	both.Wait()
}

// join connects to the target; nil when it may not or cannot.
func (k *Link) join(client net.Conn) (p *pair, cut int64) {
	k.mu.Lock()
	k.stats.Connections++
	target, now := k.target, k.rules
	k.mu.Unlock()
	var server net.Conn
	err := errors.New("refused")
	if target != "" && !now.refuse {
		server, err = net.DialTimeout("tcp", target, dialTimeout)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil && (k.rules.refuse || k.closed) {
		_ = server.Close()
		err = errors.New("refused meanwhile")
	}
	if err != nil {
		k.stats.Refused++
		return nil, 0
	}
	p = &pair{client, server}
	k.pairs[p] = struct{}{}
	return p, now.cut
}

func (k *Link) leave(p *pair) {
	p.close()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.pairs, p)
}

// pump copies one direction until it ends, and then ends the other one too: no part of ours half-closes.
func (k *Link) pump(p *pair, to io.Writer, from io.Reader, up bool, cut int64) {
	defer p.close()
	b := make([]byte, 32<<10)
	for sent := int64(0); ; {
		n, err := from.Read(b)
		if n > 0 {
			if cut > 0 && sent+int64(n) >= cut {
				_, _ = to.Write(b[:cut-sent])
				k.mu.Lock()
				k.stats.Cut++
				k.mu.Unlock()
				return
			}
			k.pass(up, n)
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
			sent += int64(n)
		}
		if err != nil {
			return
		}
	}
}

// pass waits until n bytes may go on, and counts them. A connection that is broken meanwhile fails at its next write.
func (k *Link) pass(up bool, n int) {
	k.mu.Lock()
	delay := k.rules.delay
	for held := false; ; {
		stop := k.rules.down
		if up {
			stop = k.rules.up
		}
		if !stop {
			break
		}
		if !held {
			held = true
			k.stats.Held += int64(n)
		}
		change := k.change
		k.mu.Unlock()
		<-change
		k.mu.Lock()
	}
	if up {
		k.stats.Up += int64(n)
	} else {
		k.stats.Down += int64(n)
	}
	k.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
}
