package registry

import "time"

// limits are the bounds on what a registry may cost us. They are fields so that tests can shrink them; everyone else gets
// defaultLimits.
type limits struct {
	document int64 // bytes of a manifest or configuration
	listing  int64 // bytes of one page of a listing
	token    int64 // bytes of a token reply
	fault    int64 // bytes read of an error reply
	pages    int   // pages of one listing

	dial         time.Duration // one connection, all its addresses
	handshake    time.Duration // TLS
	header       time.Duration // from the request sent to its last header received
	documentTime time.Duration // one whole document, headers and body

	idle       time.Duration // without a byte of a blob
	rateWindow time.Duration // over which a blob's rate is measured
	rate       int64         // bytes a second a blob must give over the window
	resumes    int           // Range requests in a row with less than progress between them
	slowTries  int           // resumes because of rate or idle, of those
	progress   int64         // bytes that make the count of resumes start again

	tries         int           // of one request that fails with 5xx or on the wire
	throttleTries int           // of one request that is throttled
	backoff       time.Duration // first pause after a failure; doubles
	backoffMax    time.Duration
	throttle      time.Duration // first pause after a 429 without Retry-After; doubles
	throttleMax   time.Duration
	retryAfterMax time.Duration // longest Retry-After that is waited for

	tokenLifeMin time.Duration // what expires_in is clamped to
	tokenLifeMax time.Duration
	tokenMargin  time.Duration // a token is renewed so long before it ends
	basicLife    time.Duration // credentials for Basic are read again after
}

var defaultLimits = limits{
	document: 4 << 20,  // as the distribution specification asks registries to accept
	listing:  32 << 20, // a registry that ignores n sends all its tags: 32 MiB hold about a million
	token:    64 << 10, // large tokens are a few KiB
	fault:    16 << 10,
	pages:    10_000, // 10 M entries at 1000 a page

	dial:         10 * time.Second,
	handshake:    10 * time.Second,
	header:       15 * time.Second,
	documentTime: 90 * time.Second, // 4 MiB at 64 KiB/s and some headers

	idle:       30 * time.Second,
	rateWindow: 60 * time.Second,
	rate:       16 << 10,
	resumes:    6,
	slowTries:  3,
	progress:   4 << 20,

	tries:         4,
	throttleTries: 10,
	backoff:       200 * time.Millisecond,
	backoffMax:    5 * time.Second,
	throttle:      time.Second,
	throttleMax:   time.Minute,
	retryAfterMax: time.Hour,

	tokenLifeMin: time.Minute, // the token specification's default and minimum
	tokenLifeMax: time.Hour,
	tokenMargin:  10 * time.Second,
	basicLife:    time.Minute,
}

const (
	// PageSize is the most entries asked for at once: what registries commonly allow.
	PageSize = 1000
	// defaultConcurrency is how many discovery requests are made at once where the configuration says nothing.
	defaultConcurrency = 8
	// maxRedirects is how often one request may be redirected: registry → storage → another region is two.
	maxRedirects = 5
	// maxHeaderBytes bounds the headers of one response, informational ones included.
	maxHeaderBytes = 64 << 10
	// maxCredentialFile bounds password files and Docker configurations.
	maxCredentialFile = 1 << 20
	// maxTokens bounds the remembered tokens, one a repository; the oldest go first.
	maxTokens = 4096
	// maxChains bounds the listings that are under way at once.
	maxChains = 1024
	// idleConnections is how many unused connections to one host are kept.
	idleConnections = 64
)
