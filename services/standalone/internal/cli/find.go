package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// foundPage is an answer of /api/v1/find.
type foundPage struct {
	Package   string       `json:"package"`
	Range     string       `json:"range"`
	Ecosystem string       `json:"ecosystem"`
	Link      string       `json:"link"`
	At        string       `json:"at"`
	Stored    int          `json:"stored"`
	Affected  int          `json:"affected"`
	Unknown   int          `json:"unknown"`
	Fixed     int          `json:"fixed"`
	Owners    []foundOwner `json:"owners"`
	Items     []foundImage `json:"items"`
	Total     int          `json:"total"`
	Next      string       `json:"next"`
}

type foundOwner struct {
	Owner    string `json:"owner"`
	Affected int    `json:"affected"`
	Unknown  int    `json:"unknown"`
	Fixed    int    `json:"fixed"`
}

type foundImage struct {
	Reference string          `json:"reference"`
	Digest    plimsoll.Digest `json:"digest"`
	Platform  string          `json:"platform"`
	Active    bool            `json:"active"`
	Owner     string          `json:"owner"`
	Status    string          `json:"status"`
	Reason    string          `json:"reason"`
	Packages  []foundPackage  `json:"packages"`
}

type foundPackage struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Ecosystem string `json:"ecosystem"`
	PURL      string `json:"purl"`
	Layer     int    `json:"layer"`
	Path      string `json:"path"`
	Status    string `json:"status"`
	Reason    string `json:"reason,omitempty"`
}

// findPage is how many images are shown without --all, and asked for at once with it.
const (
	findShown = 50
	findPage  = 1000
)

func (a *app) find() *cobra.Command {
	var ecosystem, format, cursor string
	var all, wide bool
	c := &cobra.Command{
		Use:   "find PACKAGE RANGE",
		Short: "Ask a running Plimsoll which stored images hold a package in a range of versions; exit 1 some do, 2 some are not known, else 0",
		Example: "  plimsoll find openssl '<3.0.16' --ecosystem Debian:12\n" +
			"  plimsoll find log4j-core '>=2.0,<2.12.4 || >=2.13,<2.17.1'",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != formatTable && format != formatJSON {
				return exit{exitUsage, fmt.Sprintf("--format %q: want table or json", format)}
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"package": {args[0]}, "range": {args[1]}, "limit": {strconv.Itoa(findShown)}}
			if ecosystem != "" {
				query.Set("ecosystem", ecosystem)
			}
			if cursor != "" {
				query.Set("cursor", cursor)
			}
			if all {
				query.Set("limit", strconv.Itoa(findPage))
			}
			var found foundPage
			if err := c.get(cmd.Context(), "/api/v1/find", query, &found); err != nil {
				return findFault(err)
			}
			for all && found.Next != "" {
				var more foundPage
				query.Set("cursor", found.Next)
				if err := c.get(cmd.Context(), "/api/v1/find", query, &more); err != nil {
					return err
				}
				found.Items, found.Next = append(found.Items, more.Items...), more.Next
			}
			return a.showFound(found, c.server, format, wide)
		},
	}
	c.Flags().StringVar(&ecosystem, "ecosystem", "", "only packages of this ecosystem, with or without release: Debian:12, Debian, npm")
	c.Flags().StringVar(&format, "format", formatTable, "table or json")
	c.Flags().StringVar(&cursor, "cursor", "", "go on after the last image of a list that was cut")
	c.Flags().BoolVar(&all, "all", false, "every image, not only the first "+strconv.Itoa(findShown))
	c.Flags().BoolVar(&wide, "wide", false, "do not shorten names and reasons")
	return c
}

// findFault shows a fault of the range as the server has it, with its mark under the place.
func findFault(err error) error {
	var status statusError
	if errors.As(err, &status) && strings.Contains(status.text, "\n") {
		_, text, _ := strings.Cut(status.text, ": ")
		return exit{exitUsage, text}
	}
	return err
}

func (a *app) showFound(found foundPage, server, format string, wide bool) error {
	code := 0
	switch {
	case found.Affected > 0:
		code = exitFailed
	case found.Unknown > 0:
		code = exitShort
	}
	if format == formatJSON {
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return cmp.Or(encoder.Encode(found), exitOf(code))
	}
	p := text.NewPrinter(a.out)
	p.Wide = wide
	p.Line("%s", text.Between(p.Paint(text.Bold, p.Short(found.Package+" "+found.Range, 60))+"   "+p.Short(found.Ecosystem, 16), text.Plural(found.Stored, "image")+" looked at"))
	p.Line("")
	p.Line("  %s %9s", p.Paint(text.Red, text.Pad("AFFECTED", 9)), text.Count(found.Affected))
	p.Line("  %s %9s   not read, no version, or one that cannot be compared", p.Paint(text.Yellow, text.Pad("UNKNOWN", 9)), text.Count(found.Unknown))
	p.Line("  %s %9s   hold it in another version", text.Pad("FIXED", 9), text.Count(found.Fixed))
	showOwners(p, found.Owners)
	showFoundImages(p, found)
	p.Line("")
	p.Line("the same later: %s", server+found.Link)
	p.Line("exit %d: %s affected, %s unknown", code, text.Plural(found.Affected, "image"), text.Count(found.Unknown))
	return cmp.Or(p.Err(), exitOf(code))
}

// showOwners: images that are nobody's are a gap of their own, and named so.
func showOwners(p *text.Printer, owners []foundOwner) {
	if len(owners) == 0 {
		return
	}
	p.Line("")
	p.Line("%s", p.Paint(text.Bold, fmt.Sprintf("%-60s %9s %9s %9s", "OWNER", "AFFECTED", "UNKNOWN", "FIXED")))
	for _, o := range owners {
		p.Line("%s %9s %9s %9s", text.Pad(p.Short(cmp.Or(o.Owner, "owner not known"), 60), 60), text.Count(o.Affected), text.Count(o.Unknown), text.Count(o.Fixed))
	}
}

func showFoundImages(p *text.Printer, found foundPage) {
	if len(found.Items) == 0 {
		return
	}
	p.Line("")
	p.Line("%s", p.Paint(text.Bold, fmt.Sprintf("%-9s %-42s %-14s %s", "STATUS", "IMAGE", "OWNER", "PACKAGE")))
	for _, im := range found.Items {
		name := im.Reference
		if _, rest, ok := strings.Cut(name, "/"); ok && !p.Wide {
			name = rest
		}
		if im.Platform != "" && im.Platform != "linux/amd64" {
			name += " (" + im.Platform + ")"
		}
		style := map[string]text.Style{wordAffected: text.Red, wordUnknown: text.Yellow}[im.Status]
		p.Line("%s %s %s %s", text.Pad(p.Paint(style, im.Status), 9), text.Pad(p.Tail(name, 42), 42), text.Pad(p.Short(cmp.Or(im.Owner, "-"), 14), 14), p.Short(im.what(), 32))
	}
	if found.Next != "" {
		p.Line("          … %s more: --all, or --cursor %s", text.Count(found.Total-len(found.Items)), found.Next)
	}
}

// what names the first package that decides, or why it is not known.
func (im foundImage) what() string {
	if im.Status == wordUnknown && im.Reason != "" {
		return im.Reason
	}
	if len(im.Packages) == 0 {
		return "-"
	}
	s := im.Packages[0].Name + " " + im.Packages[0].Version
	if n := len(im.Packages) - 1; n > 0 {
		s += fmt.Sprintf(" +%d", n)
	}
	return s
}
