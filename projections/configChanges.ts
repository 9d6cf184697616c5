/**
 * Changes of configurations: who changed what, when and why.
 *
 * Room: projections.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { ConfigurationChanged } from "../src/domain/Fact.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";

const changed = (event: RecordedEvent, fact: ConfigurationChanged): ReadonlyArray<Change> =>
  fact.changes.map(({ field, value }, ordinal) => ({
    table: "config_changes",
    row: {
      scope: event.history.id,
      tenant: event.history.tenant,
      sequence: event.sequence,
      ordinal,
      field,
      value,
      changed_by: event.actor ?? event.source,
      why: fact.why,
      rolled_back_to: fact.rolledBackTo,
      changed_at: event.occurredAt,
    },
  }));

export const configChanges: Projection = {
  name: "config_changes",
  version: 2,
  doc: "Every change of a configuration.",
  tables: [
    {
      name: "config_changes",
      doc: "One row per changed field.",
      key: ["scope", "tenant", "sequence", "ordinal"],
      clustered: true,
      columns: {
        scope: { type: "name", doc: "Configuration." },
        tenant: { type: "name", doc: "Tenant." },
        sequence: { type: "integer", doc: "Sequence of the event." },
        ordinal: { type: "integer", doc: "Place in the event, from 0." },
        field: { type: "name", doc: "Field." },
        value: { type: "text", doc: "Value as JSON text; null when it was removed." },
        changed_by: { type: "name", doc: "Who changed it." },
        why: { type: "text", doc: "Why." },
        rolled_back_to: { type: "integer", doc: "Version it went back to." },
        changed_at: { type: "integer", doc: "Epoch milliseconds." },
      },
      indexes: [["field"]],
    },
  ],
  views: [
    {
      name: "v_config_changes",
      doc: "One row per field that a change of a configuration touched.",
      columns: {
        tenant: "Tenant it belongs to.",
        scope: "Configuration that was changed.",
        version: "Version that began with it: the n-th change of this configuration, from 1.",
        field: "Field that was changed.",
        value: "New value as JSON text; null when the field fell back to file, environment or default.",
        previous: "Value that an earlier change had given it, as JSON text; null when there was none.",
        changed_by: "Person or program that changed it.",
        why: "Reason that was given; null when none was.",
        rolled_back_to: "Version whose values these are; null when it went back to none.",
        changed_at: "When it was changed, epoch milliseconds.",
        sequence: "Stream sequence of the event.",
      },
      select: `SELECT ${nameText("c.tenant")}, ${nameText("c.scope")},
        dense_rank() OVER (PARTITION BY c.tenant, c.scope ORDER BY c.sequence), ${nameText("c.field")}, c.value,
        lag(c.value) OVER (PARTITION BY c.tenant, c.scope, c.field ORDER BY c.sequence, c.ordinal), ${nameText("c.changed_by")},
        c.why, c.rolled_back_to, c.changed_at, c.sequence FROM config_changes c`,
    },
  ],
  facts: ["ConfigurationChanged"],
  handle: (event, facts) => facts.flatMap((fact) => (fact._tag === "ConfigurationChanged" ? changed(event, fact) : [])),
};
