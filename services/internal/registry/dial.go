package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// guard decides which addresses the client may connect to. The registry's own host sets the class when it is first resolved;
// all later connections, to whatever host, must fall into it or into allow_networks.
type guard struct {
	host    string         // the registry's own, lower case, without port
	at      netip.AddrPort // where it is, whatever its name resolves to and its URL's port is; not valid: there
	allow   []netip.Prefix
	timeout time.Duration
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)

	mu  sync.Mutex
	own []class // empty until the registry's host was first resolved

	proxies sync.Map // host:port of proxies that the operator configured; their address is theirs to choose
}

func newGuard(base url.URL, allow []string, timeout time.Duration) (*guard, error) {
	networks, err := parseNetworks(allow)
	if err != nil {
		return nil, err
	}
	return &guard{host: base.Hostname(), allow: networks, timeout: timeout, lookup: lookupSystem}, nil
}

func lookupSystem(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// dial connects to the first permitted address of a host. The addresses it checks are the ones it connects to: nothing is
// resolved a second time in between.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %.200q: %w", address, err)
	}
	addresses, err := g.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	if g.isElsewhere(host) {
		port = strconv.Itoa(int(g.at.Port()))
	}
	own, err := g.classes(ctx, host, addresses)
	if err != nil {
		return nil, err
	}
	_, proxy := g.proxies.Load(strings.ToLower(address))
	var faults []error
	for i, a := range addresses {
		conn, err := g.dialOne(ctx, network, host, a, port, own, proxy, len(addresses)-i)
		if err == nil {
			return conn, nil
		}
		faults = append(faults, err)
	}
	return nil, errors.Join(faults...)
}

// dialOne gives each address its share of the time left, so that one black hole does not use up the others' chance.
func (g *guard) dialOne(ctx context.Context, network, host string, a netip.Addr, port string, own []class, proxy bool, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	d := net.Dialer{ControlContext: func(_ context.Context, _, peer string, _ syscall.RawConn) error {
		p, err := netip.ParseAddrPort(peer)
		if err != nil {
			return fmt.Errorf("address %q: %w", peer, err)
		}
		if proxy && classify(p.Addr()) != classNever {
			return nil
		}
		return g.permit(host, p.Addr(), own)
	}}
	return d.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
}

// permit is the rule itself.
func (g *guard) permit(host string, a netip.Addr, own []class) error {
	c := classify(a)
	if c == classNever {
		return &refusal{host: host, addr: a, own: own}
	}
	for _, o := range own {
		if o == c {
			return nil
		}
	}
	if within(plain(a), g.allow) {
		return nil
	}
	return &refusal{host: host, addr: a, own: own}
}

func (g *guard) isElsewhere(host string) bool {
	return g.at.IsValid() && strings.EqualFold(host, g.host)
}

func (g *guard) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if g.isElsewhere(host) {
		return []netip.Addr{g.at.Addr()}, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addresses, err := g.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return addresses, nil
}

// classes are the registry's own. They are pinned by the first resolution of its host, so that a name that changes its mind
// later (rebinding) opens nothing.
func (g *guard) classes(ctx context.Context, host string, addresses []netip.Addr) ([]class, error) {
	g.mu.Lock()
	own := g.own
	g.mu.Unlock()
	if own != nil {
		return own, nil
	}
	if !strings.EqualFold(host, g.host) {
		// Only behind a proxy is another host dialled first.
		var err error
		if addresses, err = g.resolve(ctx, g.host); err != nil {
			return []class{classPublic}, nil
		}
	}
	return g.pin(addresses), nil
}

func (g *guard) pin(addresses []netip.Addr) []class {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.own == nil {
		seen := map[class]bool{}
		for _, a := range addresses {
			if c := classify(a); !seen[c] && c != classNever {
				seen[c] = true
				g.own = append(g.own, c)
			}
		}
	}
	return g.own
}

// lookupLimit bounds the look-up of a host that a proxy will connect to for us.
const lookupLimit = 2 * time.Second

// permitThroughProxy checks a host that the registry points at when a proxy makes the connection: we then see no address at
// connect time. A name that only the proxy can resolve is left to the proxy's own rules.
func (g *guard) permitThroughProxy(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	addresses, err := g.resolve(ctx, host)
	if err != nil {
		return nil
	}
	own, err := g.classes(ctx, "", nil)
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if err := g.permit(host, a, own); err != nil {
			return err
		}
	}
	return nil
}
