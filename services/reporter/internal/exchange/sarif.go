package exchange

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/plimsoll/plimsoll"
)

// WriteSARIF writes findings as SARIF 2.1.0 (OASIS): one run, a rule an advisory, a result a place. Secrets, altered files and
// foreign ones are results too, by the rules "secret/<what found it>", "file/altered" and "file/unowned-set-uid". Coverage that is short
// becomes a notification of the run and execution is then not successful: an empty list of results must not read as clean.
func WriteSARIF(w io.Writer, d Document) error {
	driver := sarif.NewToolComponent().WithName(d.Tool.Name).WithVersion(d.Tool.Version)
	run := sarif.NewRun().WithTool(sarif.NewTool().WithDriver(driver))
	invocation := sarif.NewInvocation()
	whole := true
	rules := sarifRules{driver, map[string]int{}}
	for im, err := range d.Images {
		if err != nil {
			return err
		}
		if text := shortText(im); text != "" {
			whole = false
			invocation.AddToolExecutionNotification(sarif.NewNotification().WithLevel("warning").WithMessage(sarif.NewTextMessage(text)))
		}
		for _, f := range im.Findings {
			run.AddResult(resultOf(im, f, rules.index(f.ID, "")))
		}
		for _, x := range contentOf(im) {
			run.AddResult(x.result(im, rules.index(x.rule, x.about)))
		}
	}
	run.AddInvocation(invocation.WithExecutionSuccessful(whole))
	doc := struct {
		Version string       `json:"version"`
		Schema  string       `json:"$schema"`
		Runs    []*sarif.Run `json:"runs"`
	}{"2.1.0", "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", []*sarif.Run{run}}
	if err := json.NewEncoder(w).Encode(doc); err != nil {
		return fmt.Errorf("sarif: %w", err)
	}
	return nil
}

// sarifRules numbers the rules of a run as they are met.
type sarifRules struct {
	driver *sarif.ToolComponent
	known  map[string]int
}

// index is a rule's number; about is its description, empty for an advisory, whose id says it.
func (r sarifRules) index(id, about string) int {
	i, ok := r.known[id]
	if !ok {
		i = len(r.known)
		r.known[id] = i
		rule := sarif.NewRule(id)
		if about != "" {
			rule.WithShortDescription(sarif.NewMultiformatMessageString().WithText(about))
		}
		r.driver.AddRule(rule)
	}
	return i
}

func resultOf(im Image, f plimsoll.Finding, rule int) *sarif.Result {
	fix := "no fix is known"
	if f.Fixed != "" {
		fix = "fixed in " + f.Fixed
	}
	word := string(f.Severity)
	if f.Exploited() {
		word += ", exploited"
	}
	text := fmt.Sprintf("%s (%s) in %s of %s, layer %d: %s", f.ID, word, f.PURL, im.Reference, f.Layer+1, fix)
	place := sarif.NewLogicalLocation().WithFullyQualifiedName(im.Reference + " " + f.PURL).WithKind("module")
	at := sarif.NewLocation().AddLogicalLocation(place)
	if f.Path != "" {
		at.WithPhysicalLocation(sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(uriPath(f.Path))))
	}
	result := sarif.NewRuleResult(f.ID)
	if bag := properties(f); bag != nil {
		result.WithProperties(bag)
	}
	return result.WithRuleIndex(rule).WithLevel(level(f.Severity)).WithMessage(sarif.NewTextMessage(text)).AddLocation(at).
		WithPartialFingerprints(map[string]string{"plimsoll/v1": im.Reference + "|" + im.Platform + "|" + f.ID + "|" + f.PURL + "|" + f.Path})
}

// properties say what is said of exploitation; nil where nothing is.
func properties(f plimsoll.Finding) *sarif.PropertyBag {
	e := f.Enrichment
	if e == nil {
		return nil
	}
	bag := sarif.NewPropertyBag().Add("exploited", e.Exploited())
	if !e.KEV.Added.IsZero() {
		bag.Add("kevAdded", e.KEV.Added.Format(time.DateOnly)).Add("ransomware", e.KEV.Ransomware)
	}
	if e.SSVC.Exploitation != "" {
		bag.Add("ssvcExploitation", e.SSVC.Exploitation)
	}
	if score, ok := f.EPSS(); ok {
		bag.Add("epss", score)
	}
	return bag
}

// level is SARIF's word (3.27.10). What is not rated is a warning: nobody has said that it is harmless.
func level(s plimsoll.Severity) string {
	switch s {
	case plimsoll.SeverityCritical, plimsoll.SeverityHigh:
		return "error"
	case plimsoll.SeverityLow, plimsoll.SeverityNone:
		return "note"
	}
	return "warning"
}

// shortText says what is missing of an image; empty when it was read whole and there is data for all that it holds.
func shortText(im Image) string {
	for _, name := range sortedKeys(im.Read) {
		if c := im.Read[name]; c.Short() {
			return fmt.Sprintf("%s: %s is %s %s", im.Reference, name, c.State, c.Reason)
		}
	}
	for _, name := range sortedKeys(im.Known) {
		if k := im.Known[name]; k.State != plimsoll.KnownCurrent {
			return fmt.Sprintf("%s: advisory data for %s is %s %s", im.Reference, name, k.State, k.Reason)
		}
	}
	return ""
}
