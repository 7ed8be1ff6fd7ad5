package analyze

import (
	"fmt"
	"strings"
	"testing"
)

// runtimeSamples are what the programs hold, as far as it tells their version: by row, the file's path, bytes and the package.
var runtimeSamples = []struct{ path, text, want string }{
	{"usr/local/bin/node", "https://nodejs.org/download/release/v18.20.4/node-v18.20.4.tar.gz", "node 18.20.4 pkg:bitnami/node@18.20.4"},
	{"usr/local/lib/libnode.so.108", "/release/v20.1.0/node-v20.1.0", "node 20.1.0 pkg:bitnami/node@20.1.0"},
	{"opt/python/bin/python3.11", "x\x003.11.2\x00y", "python 3.11.2 pkg:bitnami/python@3.11.2"},
	{"opt/python/lib/libpython3.13.so.1.0", "\x003.13.0rc1\x00", "python 3.13.0-rc1 pkg:bitnami/python@3.13.0-rc1"},
	{"usr/sbin/nginx", "nginx/1.22.1\x00", "nginx 1.22.1 pkg:bitnami/nginx@1.22.1"},
	{"usr/local/openresty/bin/openresty", "openresty/1.25.3.1\x00", "openresty 1.25.3.1 pkg:bitnami/openresty@1.25.3.1"},
	{"usr/local/bin/redis-server", "\x007.0.15buildhost-17000000000a1b2c3d4\x00", "redis 7.0.15 pkg:bitnami/redis@7.0.15"},
	{"opt/lib/libcrypto.so.3", "OpenSSL 3.0.15 3 Sep 2024", "openssl 3.0.15 pkg:generic/openssl@3.0.15"},
	{"usr/local/bin/php", "X-Powered-By: PHP/8.2.26", "php 8.2.26 pkg:bitnami/php@8.2.26"},
	{"usr/local/lib/libruby.so.3.1", "ruby 3.1.2p20 (2022-04-12 revision 4491bb740a)", "ruby 3.1.2 pkg:bitnami/ruby@3.1.2"},
	{"opt/jdk/lib/server/libjvm.so", "OpenJDK 64-Bit Server VM (17.0.9+9) for linux-amd64 JRE (17.0.9+9)", "java 17.0.9 pkg:bitnami/java@17.0.9"},
	{"opt/jdk8/jre/lib/amd64/server/libjvm.so", " JRE (1.8.0_392-b08)", "java 8.0.392 pkg:bitnami/java@8.0.392"},
	{"opt/jdk/lib/server/libjvm.so", " JRE (17.0.21.1+2)", "java 17.0.21-1 pkg:bitnami/java@17.0.21-1"},
	{"usr/local/bin/postgres", "postgres (PostgreSQL) 15.10\x00", "postgresql 15.10.0 pkg:bitnami/postgresql@15.10.0"},
	{"usr/local/apache2/bin/httpd", "Apache/2.4.62", "apache 2.4.62 pkg:bitnami/apache@2.4.62"},
	{"usr/sbin/mariadbd", "10.11.6-MariaDB", "mariadb 10.11.6 pkg:bitnami/mariadb@10.11.6"},
	{"usr/local/bin/memcached", "memcached 1.6.18\x00", "memcached 1.6.18 pkg:bitnami/memcached@1.6.18"},
	{"usr/local/sbin/haproxy", "HAProxy version 2.6.12-1, released 2023/12/16", "haproxy 2.6.12 pkg:bitnami/haproxy@2.6.12"},
	{"usr/sbin/varnishd", "varnish-7.1.1 revision 7cee1c581bead20e88d101ab3d72afb29f14d87a", "varnish 7.1.1 pkg:bitnami/varnish@7.1.1"},
	{"bin/[", "BusyBox v1.38.0 (2025-12-12)", "busybox 1.38.0 pkg:generic/busybox@1.38.0"},
	{"bin/busybox", "BusyBox v1.37.0 (2024-09-26)", "busybox 1.37.0 pkg:generic/busybox@1.37.0"},
	{"usr/local/bin/git", "git/2.39.5\x00", "git 2.39.5 pkg:bitnami/git@2.39.5"},
	{"usr/local/bin/lua", "Lua 5.4.4  Copyright (C) 1994-2022", "lua 5.4.4 pkg:bitnami/lua@5.4.4"},
}

func elfWith(text string, before int) []byte {
	return []byte("\x7fELF" + strings.Repeat("\x01", before) + text + strings.Repeat("\x02", 1000))
}

func TestRuntimes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, tt := range runtimeSamples {
		for _, before := range []int{0, pieceSize - carry - 20, pieceSize - 4, 3*pieceSize - 10} {
			facts := analyzed(t, given{path: tt.path, body: elfWith(tt.text, before), mode: 0o755})
			got := ""
			for _, s := range facts.Sources {
				for _, p := range s.Packages {
					got += fmt.Sprintf("%s %s %s", p.Name, p.Version, p.PURL)
					seen[p.Name] = true
					if p.Extractor != NameRuntime || p.Path != tt.path {
						t.Errorf("%s: extractor %s, path %s", tt.path, p.Extractor, p.Path)
					}
				}
			}
			if got != tt.want {
				t.Errorf("%s, text at %d: got %q, want %q", tt.path, before, got, tt.want)
			}
		}
	}
	for i := range runtimes {
		if !seen[runtimes[i].name] {
			t.Errorf("no sample of %s", runtimes[i].name)
		}
	}
}

// TestRuntimeNames: what no row wants is not asked for, and other bytes under a wanted name are no package.
func TestRuntimeNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ path, text string }{
		{"usr/bin/nodemon", "/release/v18.20.4/node-v18.20.4"},
		{"usr/bin/curl", "nginx/1.22.1"},
		{"usr/sbin/nginx", "nginx/%s"},
		{"usr/bin/python3.11", "\x003.12.1\x00"},
		{"usr/bin/python3.11", "3.11.1"},
		{"usr/bin/openssl", "OpenSSL 3.0.15"},
	} {
		for _, s := range analyzed(t, given{path: tt.path, body: elfWith(tt.text, 100), mode: 0o755}).Sources {
			t.Errorf("%s with %q: %s", tt.path, tt.text, brief(s))
		}
	}
}
