package posture

import (
	"sync/atomic"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Row is one image as lists show it: one platform of one tag. It never changes once it stands in a View.
type Row struct {
	Reference plimsoll.Reference // registry id, repository, tag; Digest is what the tag names
	Digest    plimsoll.Digest    // of this platform's manifest
	Platform  plimsoll.Platform
	Verdict   plimsoll.Verdict
	Read      map[string]plimsoll.Coverage  // by analyser
	Coverage  plimsoll.Coverage             // the worst of Read
	Known     map[string]plimsoll.Knowledge // by ecosystem found
	Counts    map[plimsoll.Severity]int     // findings by severity
	Fixable   int
	Exploited int // findings that somebody says are exploited; see [View.Exploitation] before believing a zero
	Findings  int
	Packages  int
	Content   plimsoll.Content // counts of secrets, files and removed packages; see [Row.Analyzed] before believing a zero
	Release   plimsoll.OSRelease
	Size      int64 // compressed bytes
	Layers    int
	First     time.Time // the tag was first seen
	Moved     time.Time // the tag was first seen at this digest
	Active    bool
	// Behind is set while a newer digest of the tag is not read yet: the row then shows the last good verdict.
	Behind plimsoll.Digest
	// Owner is the team that the image belongs to, see [Owners]; empty when nobody knows.
	Owner string
	// A row that is not applicable (Coverage says so: a chart, a signature …) has no verdict: Verdict.State is empty.

	ref   refKey
	image *image // what verdict and findings are about; nil when nothing was read
	stack int32  // the image's: lists over all rows count by it
	ranks [4]int // what rows are sorted by before their references
	due   atomic.Pointer[booked]
}

// Analyzed says how far what the row shows was read by one analyser. It is false when that analyser did not look at it: it was
// switched off, or nothing was read.
func (r *Row) Analyzed(name string) (plimsoll.Coverage, bool) {
	if c, ok := r.Read[name]; ok {
		return c, true
	}
	if r.image == nil {
		return plimsoll.Coverage{}, false
	}
	c, ok := r.image.read[name] // the row's own reading is of a newer digest, that is not read yet
	return c, ok
}

// Secrets are the first secrets of a row, at most 50, those that a container can read first. Content counts all of them.
func (r *Row) Secrets() []plimsoll.Secret {
	if r.image == nil {
		return nil
	}
	return r.image.secrets
}

// Suspects are the first files of a row that are altered or foreign, at most 50. Content counts all of them.
func (r *Row) Suspects() []plimsoll.File {
	if r.image == nil {
		return nil
	}
	return r.image.suspects
}

// Image is all that is known of one manifest.
type Image struct {
	Inventory plimsoll.Inventory
	Image     plimsoll.Image     // configuration, history, labels
	Findings  []plimsoll.Finding // sorted: severity, id, purl, path
	Rows      []*Row             // where it stands
}

// Gap is one cause of missing coverage.
type Gap struct {
	Registry string
	State    plimsoll.ReadState
	Reason   string
	Images   int // rows of Rows with this cause
	Example  string
	Since    time.Time
	Advice   string // what to do, in words
	Retry    string // whether it closes by itself: RetryAuto, RetryByHand or RetryNever
}

// Unowned is one repository with images whose owner is not known.
type Unowned struct {
	Registry   string
	Repository string
	Images     int // rows
}

// Registry is how one registry stands.
type Registry struct {
	ID           string
	Read         map[plimsoll.ReadState]int // rows
	Sweep        *plimsoll.Sweep            // the newest; nil before the first
	Recent       []plimsoll.Sweep           // newest first, at most 90
	LastComplete time.Time                  // of a complete listing
}

// Advised is one advisory (joined by aliases) with what it affects.
type Advised struct {
	ID       string
	Aliases  []string
	Records  []plimsoll.Advisory // that belong to it
	Severity plimsoll.Severity
	Score    float64
	Places   []Place
	Unique   int // distinct packages
	Active   int // rows that are active
	// Undecided counts rows that cannot be told: coverage short or no advisory data.
	Undecided int
}

// Place is one (row, package) that an advisory affects.
type Place struct {
	Row     *Row
	Finding plimsoll.Finding
	First   time.Time // first seen in the repository; zero where nobody asked for it
	Due     *Due      // nil where the policy sets no deadline, or nobody asked for it
}

// Listed is one line of the advisories list.
type Listed struct {
	ID       string
	Severity plimsoll.Severity
	Score    float64
	Packages []string // names, sorted
	Unique   int
	Images   int // rows
	Fixable  bool
}

// Event is one line of what happened lately.
type Event struct {
	Time   time.Time
	Stream string
	Actor  string
	Change plimsoll.Change

	sequence int64 // of its batch, and its place in it: the order within a stream
	index    int
}

// Methods of View, the posture at one moment; immutable and safe for concurrent readers (implemented in this package):
//
//	func (e *Engine) View() *View
//	func (v *View) At() time.Time
//	func (v *View) Position() map[string]int64               // change-log positions folded in
//	func (v *View) Generation() plimsoll.Generation
//	func (v *View) Policy() plimsoll.Policy
//	func (v *View) Rows() []*Row                             // sorted: verdict, exploited, critical, high, reference, platform
//	func (v *View) Summary() plimsoll.Posture
//	func (v *View) Image(d plimsoll.Digest) (*Image, bool)   // reads the inventory from the bucket's cache
//	func (v *View) Findings(r *Row) []plimsoll.Finding
//	func (v *View) Each(r *Row) iter.Seq2[*plimsoll.Finding, Spot]   // the same without copies and order: for counting
//	func (v *View) Having(cond func(*plimsoll.Finding) bool) *Having  // the findings that meet a condition
//	func (v *View) InUse(r *Row) (InUse, bool)                // when it was last seen in use; false: nobody told
//	func (v *View) Packages() iter.Seq[*plimsoll.Package]     // distinct ones
//	func (v *View) Holders(wanted func(*plimsoll.Package) bool) iter.Seq2[*Row, iter.Seq2[*plimsoll.Package, Spot]]
//	func (v *View) Advisories() []Listed                     // that affect anything, worst first
//	func (v *View) Advisory(id string) (Advised, bool)       // by any alias
//	func (v *View) Gaps() []Gap                              // most images first
//	func (v *View) Unowned() []Unowned                       // repositories without an owner
//	func (v *View) Registries() []Registry
//	func (v *View) Events(n int) []Event                     // newest first
//	func (v *View) Faults() []string                         // what of the bucket could not be read
