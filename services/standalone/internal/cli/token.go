package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/plimsoll/plimsoll/services/internal/access"
)

// tokenCommand makes tokens: the file holds hashes only, so somebody has to.
func (a *app) tokenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "token NAME ROLE",
		Short: "Make a bearer token and the line for the tokens file",
		Long: `Prints a new token on standard output, once, and the line for tokens_file on standard error. The file keeps only a hash.
Roles: viewer reads, operator starts sweeps and updates, approver decides, admin does all.`,
		Example: "  plimsoll token nightly-ci operator 2>>tokens >nightly-ci.token",
		Args:    cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			token, line, err := access.New(args[0], access.Role(args[1]))
			if err != nil {
				return exit{exitUsage, err.Error()}
			}
			fmt.Fprintln(a.err, line)
			fmt.Fprintln(a.out, token)
			return nil
		},
	}
}
