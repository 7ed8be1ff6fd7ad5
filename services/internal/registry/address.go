package registry

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// class is the part of the address space an address belongs to. A registry may point us only at its own.
type class string

const (
	classPublic   class = "public"
	classPrivate  class = "private"
	classLoopback class = "loopback"
	// classNever is never connected to, whatever the configuration allows: link-local and metadata addresses, multicast and
	// the unspecified address (which the kernel takes for loopback).
	classNever class = "link-local or metadata"
)

// privateNetworks are what counts as private: RFC 1918, 6598 (shared), 4193 (unique local), and the reserved blocks that are
// routed nowhere in public.
var privateNetworks = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "192.0.0.0/24",
	"240.0.0.0/4", "fc00::/7", "fec0::/10")

// neverNetworks adds to link-local the metadata services that clouds put elsewhere: EC2 over IPv6, Alibaba, Azure, Oracle.
var neverNetworks = prefixes("0.0.0.0/8", "169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32",
	"192.0.0.192/32", "255.255.255.255/32")

// embeddedNetworks carry an IPv4 address inside an IPv6 one; at is its first byte. RFC 6052 (NAT64), 3056 (6to4), 4291 (compatible).
var embeddedNetworks = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("::/96"), 12},
}

// classify tells the class of an address. IPv4 addresses inside IPv6 ones count as what they are.
func classify(a netip.Addr) class {
	a = plain(a)
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), within(a, neverNetworks):
		return classNever
	case a.IsLoopback():
		return classLoopback
	case within(a, privateNetworks):
		return classPrivate
	}
	return classPublic
}

// plain strips the zone and the IPv6 wrapping of an IPv4 address.
func plain(a netip.Addr) netip.Addr {
	a = a.WithZone("").Unmap()
	if !a.Is6() || a.IsLoopback() || a.IsUnspecified() {
		return a
	}
	for _, e := range embeddedNetworks {
		if e.prefix.Contains(a) {
			b := a.As16()
			return netip.AddrFrom4([4]byte(b[e.at : e.at+4]))
		}
	}
	return a
}

func within(a netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// parseNetworks reads allow_networks: CIDRs, or single addresses.
func parseNetworks(texts []string) (out []netip.Prefix, err error) {
	for _, t := range texts {
		p, err := netip.ParsePrefix(t)
		if err != nil {
			a, aerr := netip.ParseAddr(t)
			if aerr != nil {
				return nil, fmt.Errorf("allow_networks: %w network %.80q: write it as 10.0.0.0/8", plimsoll.ErrInvalid, t)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// suggestion is the network to offer for allow_networks: the whole private block, since storage moves inside it; for public
// addresses the surrounding block as providers assign them.
func suggestion(a netip.Addr) string {
	a = plain(a)
	for _, n := range privateNetworks {
		if n.Contains(a) {
			return n.String()
		}
	}
	bits := 16
	switch {
	case a.IsLoopback() && a.Is4():
		bits = 8
	case a.IsLoopback():
		bits = 128
	case a.Is6():
		bits = 32
	}
	return netip.PrefixFrom(a, bits).Masked().String()
}

// refusal is the error of an address that the registry may not send us to. It wraps ErrDenied.
type refusal struct {
	host string
	addr netip.Addr
	own  []class
}

func (r *refusal) Error() string {
	at := fmt.Sprintf("refused to connect to %s (%s)", r.host, r.addr)
	if classify(r.addr) == classNever {
		return at + ": link-local, metadata and unspecified addresses are never connected to"
	}
	return fmt.Sprintf("%s: a %s address; the registry's own addresses are %s", at, classify(r.addr), joinClasses(r.own))
}

// fix is the line that would permit the address; empty when nothing may.
func (r *refusal) fix() string {
	if classify(r.addr) == classNever {
		return ""
	}
	return fmt.Sprintf("if %s is meant to be used, add to this registry's configuration: allow_networks: [%s]", r.host, suggestion(r.addr))
}

func (r *refusal) Unwrap() error { return plimsoll.ErrDenied }

func joinClasses(own []class) string {
	texts := make([]string, len(own))
	for i, c := range own {
		texts[i] = string(c)
	}
	return strings.Join(texts, " and ")
}
