extension ModePresets {
    /// The provision states of Ironic, as `muster modes import ironic` writes them from its table.
    static let ironic = """
        muster-modes: 1
        modes:
          provision:
            invalid: reject
            ready: [active]
            failed: [adopt failed, clean failed, error, deploy failed, inspect failed, rescue failed, service failed, unrescue failed]
            timeouts:
              clean wait: { after: 30m, state: clean failed }
              inspect wait: { after: 30m, state: inspect failed }
              rescue wait: { after: 30m, state: rescue failed }
              service wait: { after: 30m, state: service failed }
              wait call-back: { after: 30m, state: deploy failed }
            states: [enroll]
            stable: [active, manageable, available, error, enroll, rescue]
            stuck: [adopting, cleaning, deleting, deploying, inspecting, rescuing, servicing, unrescuing, verifying]
            work:
              verifying: [verify]
              inspecting: [inspect]
              cleaning: [clean]
              deploying: [deploy]
              deleting: { do: [tear-down], then: clean }
              adopting: [adopt]
              rescuing: [rescue]
              unrescuing: [unrescue]
              servicing: [service]
            events:
              active:
                delete: { to: deleting, goal: available, verb: true }
                rebuild: { to: deploying, goal: active, verb: true }
                rescue: { to: rescuing, goal: rescue, verb: true }
                service: { to: servicing, goal: active, verb: true }
              adopt failed:
                adopt: { to: adopting, goal: active, verb: true }
                manage: { to: manageable, verb: true }
              adopting:
                done: active
                fail: { to: adopt failed, goal: active }
              available:
                deploy: { to: deploying, goal: active, verb: true }
                manage: { to: manageable, verb: true }
              clean failed:
                manage: { to: manageable, verb: true }
              clean hold:
                abort: { to: clean failed, goal: available, verb: true }
                unhold: { to: clean wait, goal: available, verb: true }
              clean wait:
                abort: { to: clean failed, goal: available, verb: true }
                fail: { to: clean failed, goal: available }
                hold: { to: clean hold, goal: available }
                resume: { to: cleaning, goal: available }
              cleaning:
                done: available
                fail: { to: clean failed, goal: available }
                hold: { to: clean hold, goal: available }
                manage: manageable
                wait: { to: clean wait, goal: available }
              deleting:
                clean: { to: cleaning, goal: available }
                fail: error
              deploy failed:
                delete: { to: deleting, goal: available, verb: true }
                deploy: { to: deploying, goal: active, verb: true }
                rebuild: { to: deploying, goal: active, verb: true }
              deploy hold:
                abort: { to: deploy failed, goal: active, verb: true }
                unhold: { to: wait call-back, goal: active, verb: true }
              deploying:
                done: active
                fail: { to: deploy failed, goal: active }
                hold: { to: deploy hold, goal: active }
                wait: { to: wait call-back, goal: active }
              enroll:
                manage: { to: verifying, goal: manageable, verb: true }
              error:
                delete: { to: deleting, goal: available, verb: true }
                rebuild: { to: deploying, goal: active, verb: true }
              inspect failed:
                inspect: { to: inspecting, goal: manageable, verb: true }
                manage: { to: manageable, verb: true }
              inspect wait:
                abort: { to: inspect failed, goal: manageable, verb: true }
                done: manageable
                fail: { to: inspect failed, goal: manageable }
                resume: { to: inspecting, goal: manageable }
              inspecting:
                done: manageable
                fail: { to: inspect failed, goal: manageable }
                wait: { to: inspect wait, goal: manageable }
              manageable:
                adopt: { to: adopting, goal: active, verb: true }
                clean: { to: cleaning, goal: available, verb: true }
                inspect: { to: inspecting, goal: manageable, verb: true }
                provide: { to: cleaning, goal: available, verb: true }
              rescue:
                delete: { to: deleting, goal: available, verb: true }
                rescue: { to: rescuing, goal: rescue, verb: true }
                unrescue: { to: unrescuing, goal: active, verb: true }
              rescue failed:
                delete: { to: deleting, goal: available, verb: true }
                rescue: { to: rescuing, goal: rescue, verb: true }
                unrescue: { to: unrescuing, goal: active, verb: true }
              rescue wait:
                abort: { to: rescue failed, goal: rescue, verb: true }
                delete: { to: deleting, goal: available, verb: true }
                fail: { to: rescue failed, goal: rescue }
                resume: { to: rescuing, goal: rescue }
              rescuing:
                done: rescue
                fail: { to: rescue failed, goal: rescue }
                wait: { to: rescue wait, goal: rescue }
              service failed:
                abort: { to: active, verb: true }
                delete: { to: deleting, goal: available, verb: true }
                hold: { to: service hold, goal: active }
                rescue: { to: rescuing, goal: rescue, verb: true }
                service: { to: servicing, goal: active, verb: true }
                wait: { to: service wait, goal: active }
              service hold:
                abort: { to: service failed, goal: active }
                fail: { to: service failed, goal: active }
                service: { to: servicing, goal: active, verb: true }
                unhold: { to: service wait, goal: active, verb: true }
              service wait:
                abort: { to: service failed, goal: active }
                delete: { to: deleting, goal: available, verb: true }
                fail: { to: service failed, goal: active }
                hold: { to: service hold, goal: active }
                resume: { to: servicing, goal: active }
              servicing:
                done: active
                fail: { to: service failed, goal: active }
                hold: { to: service hold, goal: active }
                wait: { to: service wait, goal: active }
              unrescue failed:
                delete: { to: deleting, goal: available, verb: true }
                rescue: { to: rescuing, goal: rescue, verb: true }
                unrescue: { to: unrescuing, goal: active, verb: true }
              unrescuing:
                done: active
                fail: { to: unrescue failed, goal: active }
              verifying:
                done: manageable
                fail: enroll
              wait call-back:
                abort: { to: deploy failed, goal: active, verb: true }
                delete: { to: deleting, goal: available, verb: true }
                fail: { to: deploy failed, goal: active }
                hold: { to: deploy hold, goal: active }
                resume: { to: deploying, goal: active }

        """
}
