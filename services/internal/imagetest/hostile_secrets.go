package imagetest

import (
	"fmt"
	"strings"
)

// PlantedSecret is what the cases of H47 hide: the form of a GitLab token, and none. It must stand in no report.
var PlantedSecret = token(1<<60 + 12345)

// token is put together here, so that the sources hold nothing that looks like one.
func token(n int64) string {
	const alphabet = "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba9876543210"
	b := []byte("glpat")
	b = append(b, '-')
	for x := uint64(n)*0x9e3779b97f4a7c15 + 1; len(b) < 26; x = x*6364136223846793005 + 1442695040888963407 {
		b = append(b, alphabet[x>>33%uint64(len(alphabet))])
	}
	return string(b)
}

// hostileSecrets are H47: text that is made to keep a searcher busy, or to make it report without end.
func hostileSecrets() []Case {
	text := func(name, want, body string) Case { return tarCase("H47 "+name, want, Text("srv/hostile.txt", body)) }
	pem := "-----BEGIN RSA PRIVATE KEY-----\n"
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "token = %s\n", token(int64(i)))
		}
		return b.String()
	}
	return []Case{
		text("one line of 8 MiB", WantOKPartial, repeat("abcdefgh", 8<<20)),
		text("one line of 8 MiB with a key at its end", WantOKPartial, repeat("abcdefgh", 8<<20)+" "+PlantedSecret+"\n"),
		text("a hundred thousand keys", WantPartial, keys(100_000)),
		text("a binary of beginnings of keys", WantOKPartial, repeat("AKIA\x00ghp_\x00", 8<<20)),
		text("beginnings of keys without an end", WantOKPartial, repeat("ghp_", 8<<20)),
		text("private keys that begin and never end", WantOKPartial, repeat(pem, 4<<20)),
		text("a private key of 8 MiB", WantOKPartial, pem+repeat("MIIEpAIBAAKCAQEA\n", 8<<20)+"-----END RSA PRIVATE KEY-----\n"),
		text("URLs with passwords without end", WantOKPartial, repeat("https://u:", 4<<20)+"@x"),
		text("equals signs and quotes", WantOKPartial, repeat(`password="='`, 4<<20)),
		text("tokens of three parts without end", WantOKPartial, repeat("eyJhbGciOiJIUzI1NiJ9.", 4<<20)),
	}
}
