package registry

import (
	"net/netip"
	"testing"

	"github.com/plimsoll/plimsoll"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]class{
		"8.8.8.8": classPublic, "2606:4700::1111": classPublic, "172.32.0.1": classPublic,
		"10.0.0.1": classPrivate, "172.16.0.1": classPrivate, "172.31.255.255": classPrivate, "192.168.1.1": classPrivate, "100.64.0.1": classPrivate,
		"fd12:3456::1": classPrivate, "::ffff:10.0.0.1": classPrivate, "64:ff9b::a00:1": classPrivate, "2002:a00:1::1": classPrivate,
		"127.0.0.1": classLoopback, "127.9.9.9": classLoopback, "::1": classLoopback, "::ffff:127.0.0.1": classLoopback, "64:ff9b::7f00:1": classLoopback,
		"169.254.169.254": classNever, "169.254.0.1": classNever, "fe80::1": classNever, "fe80::1%eth0": classNever, "::ffff:169.254.169.254": classNever,
		"64:ff9b::a9fe:a9fe": classNever, "2002:a9fe:a9fe::": classNever, "::169.254.169.254": classNever,
		"fd00:ec2::254": classNever, "100.100.100.200": classNever, "168.63.129.16": classNever, "192.0.0.192": classNever,
		"0.0.0.0": classNever, "::": classNever, "224.0.0.1": classNever, "ff02::1": classNever, "255.255.255.255": classNever, "0.1.2.3": classNever,
	} {
		if got := classify(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestSuggestion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.9.8.7": "10.0.0.0/8", "172.20.1.1": "172.16.0.0/12", "52.216.1.2": "52.216.0.0/16", "2606:4700::1111": "2606:4700::/32",
		"127.0.0.1": "127.0.0.0/8", "::1": "::1/128", "::ffff:192.168.3.4": "192.168.0.0/16",
	} {
		a := netip.MustParseAddr(text)
		got := suggestion(a)
		if got != want {
			t.Errorf("%s: suggested %s, want %s", text, got, want)
		}
		networks, err := parseNetworks([]string{got})
		if err != nil || !within(plain(a), networks) {
			t.Errorf("%s: the suggestion %s does not permit it (%v)", text, got, err)
		}
	}
}

func TestPermit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		own   class
		allow []string
		addr  string
		ok    bool
	}{
		{classPublic, nil, "8.8.8.8", true},
		{classPublic, nil, "10.0.0.1", false},
		{classPublic, nil, "127.0.0.1", false},
		{classPrivate, nil, "10.0.0.1", true},
		{classPrivate, nil, "8.8.8.8", false},
		{classPrivate, nil, "::ffff:127.0.0.1", false},
		{classLoopback, nil, "127.0.0.1", true},
		{classPublic, []string{"10.0.0.0/8"}, "10.0.0.1", true},
		{classPublic, []string{"10.0.0.0/8"}, "::ffff:10.0.0.1", true},
		{classPublic, []string{"10.0.0.0/8"}, "192.168.0.1", false},
		{classPublic, []string{"10.1.2.3"}, "10.1.2.3", true},
		{classPublic, []string{"0.0.0.0/0", "::/0"}, "169.254.169.254", false},
		{classPublic, []string{"169.254.0.0/16"}, "169.254.169.254", false},
		{classPublic, []string{"0.0.0.0/0"}, "127.0.0.1", true},
	} {
		networks, err := parseNetworks(c.allow)
		if err != nil {
			t.Fatal(err)
		}
		err = (&guard{allow: networks}).permit("host.example", netip.MustParseAddr(c.addr), []class{c.own})
		if (err == nil) != c.ok {
			t.Errorf("%s registry, allowed %v, to %s: %v", c.own, c.allow, c.addr, err)
		}
		if err != nil {
			wantError(t, err, plimsoll.ErrDenied, "host.example", c.addr)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add([]byte{169, 254, 169, 254})
	f.Add(netip.MustParseAddr("64:ff9b::a9fe:a9fe").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		mapped := netip.AddrFrom16(a.As16())
		if classify(a) != classify(mapped) {
			t.Errorf("%s is %s, but as %s it is %s", a, classify(a), mapped, classify(mapped))
		}
	})
}
