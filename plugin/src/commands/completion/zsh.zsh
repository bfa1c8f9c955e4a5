#compdef kubectl-casskop
# Completion of kubectl-casskop for zsh. Name it _kubectl-casskop in a directory of fpath, or `source` it after compinit.
_kubectl_casskop() {
    local line
    local -a found
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case "$line" in
        :0) _files ;;
        :*) ;;
        *) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        esac
    done
    (( ${#found} )) && _describe 'kubectl-casskop' found
}
if [ "$funcstack[1]" = "_kubectl-casskop" ]; then
    _kubectl_casskop "$@"
else
    compdef _kubectl_casskop kubectl-casskop
fi
