# The parameterized job that a platform dispatches: `nomad job dispatch -meta TASK=deploy-image -meta PARAMS=… cs-runner`.
# Nomad exports the meta keys as NOMAD_META_TASK and NOMAD_META_PARAMS.
variable "image" {
  type        = string
  description = "Image that carries the cs binary."
}

variable "network_mode" {
  type        = string
  default     = "bridge"
  description = "Docker's network mode; `host` where NATS listens on the node only."
}

variable "node_pool" {
  type    = string
  default = "default"
}

variable "vault" {
  type        = string
  default     = "on"
  description = "`off` for clusters without Vault."
}

variable "service_provider" {
  type        = string
  default     = "consul"
  description = "`nomad` for clusters without Consul."
}

variable "docker_socket" {
  type        = string
  default     = "/var/run/docker.sock"
  description = "The engine that builds images, on the node. Whoever may use it rules the node. Empty: no builds, and no root."
}

job "cs-runner" {
  type      = "batch"
  node_pool = var.node_pool

  parameterized {
    meta_required = ["TASK", "PARAMS"]
  }

  group "runner" {
    # cs tries again by itself, inside its own deadline. A second try by Nomad would only repeat the outcome.
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "cs" {
      driver = "docker"

      # The socket belongs to root; without it the image's own user does, who is nobody in particular.
      user = var.docker_socket == "" ? "65532:65532" : "root"

      config {
        image = var.image
        args  = ["reconcile"]

        network_mode = var.network_mode

        # For deploy-repository; deploy-image and destroy-job-pack need no engine.
        volumes = var.docker_socket == "" ? [] : ["${var.docker_socket}:/var/run/docker.sock"]
      }

      env {
        # The task's own way to Nomad's API; it needs the token that `identity` gives.
        NOMAD_ADDR = "unix://${NOMAD_SECRETS_DIR}/api.sock"
        # Sources are unpacked here.
        TMPDIR              = "${NOMAD_ALLOC_DIR}/tmp"
        CS_VAULT            = var.vault
        CS_SERVICE_PROVIDER = var.service_provider
      }

      # On a stop cs announces `deployment.failed` and delivers what is left; the rollout itself goes on.
      kill_timeout = "20s"

      # Gives the task NOMAD_TOKEN and the API socket; attach an ACL policy with submit-job, read-job, read-logs.
      identity {
        env = true
      }

      template {
        destination = "secrets/cs.env"
        env         = true
        data        = <<EOT
{{ with nomadVar "nomad/jobs/cs-runner" -}}
NATS_SERVERS={{ .NATS_SERVERS | toJSON }}
NATS_CLIENT_PRIVATE_KEY={{ .NATS_CLIENT_PRIVATE_KEY | toJSON }}
NATS_STREAM_PREFIX={{ .NATS_STREAM_PREFIX | toJSON }}
BACKEND_URL={{ .BACKEND_URL | toJSON }}
ACCESS_TOKEN={{ .ACCESS_TOKEN | toJSON }}
{{ with .REGISTRY_USERNAME }}REGISTRY_USERNAME={{ . | toJSON }}{{ end }}
{{ with .REGISTRY_PASSWORD }}REGISTRY_PASSWORD={{ . | toJSON }}{{ end }}
{{- end }}
EOT
      }

      resources {
        cpu    = 100
        memory = 128
      }
    }
  }
}
