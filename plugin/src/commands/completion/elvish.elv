# Completion of kubectl-casskop for Elvish. Add it to rc.elv.
use str
set edit:completion:arg-completer[kubectl-casskop] = {|@words|
    e:kubectl-casskop __complete $@words[1..] 2>/dev/null | each {|line|
        if (not (str:has-prefix $line ':')) {
            var parts = [(str:split "\t" $line)]
            edit:complex-candidate $parts[0] &display=(str:join '  ' $parts)
        }
    }
}
