package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// knownCommand is for the root, which is given what is no command.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		meant = ": did you mean " + strings.Join(like, " or ") + "?"
	}
	return Usage("there is no command %s%s", args[0], meant)
}

func noTable(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usage("%s takes no table and no other argument: %s", cmd.Name(), args[0])
	}
	return nil
}

func oneTable(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		example, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
		return Usage("which table? Name one, as in: %s", example)
	}
	return upToOneTable(cmd, args)
}

func upToOneTable(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return Usage("one table at a time, and no other argument: %s", strings.Join(args[1:], " "))
	}
	return nil
}
