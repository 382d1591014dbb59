# shellcheck shell=bash
# The images of the pods in manifests/demo, made of the host's own programs: no registry, no network.
: "${repository:?source common.sh first}"

# sample_images FOLDER STREAM: creates localhost/fsm-demo and localhost/fsm-pause in the podman of
# podman.sh. FOLDER is temporary; STREAM is the load program of the tests.
sample_images() {
    local image=$1/image pause=$1/pause
    mkdir -p "$pause" "$image"/{bin,tmp,run,proc,sys,dev,etc/demo,usr/bin}
    copy_program "$pause" /usr/bin/sleep
    copy_program "$image" /usr/bin/sleep /usr/bin/curl /usr/sbin/haproxy /usr/sbin/nginx "$2"
    mv "$image$2" "$image/usr/bin/stream"
    cp "$repository"/manifests/demo/image/* "$image/etc/demo/"
    printf 'root:x:0:0::/:/bin/false\nsidecar:x:1500:1500::/:/bin/false\n' >"$image/etc/passwd"
    printf 'root:x:0:\nsidecar:x:1500:\n' >"$image/etc/group"
    podman_image "$pause" fsm-pause '["/usr/bin/sleep", "infinity"]'
    podman_image "$image" fsm-demo '[]'
    rm -rf "$image" "$pause"
}
