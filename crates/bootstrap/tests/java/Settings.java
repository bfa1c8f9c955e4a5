import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.TreeMap;
import org.apache.cassandra.config.Config;
import org.apache.cassandra.config.Replaces;
import org.apache.cassandra.config.ReplacesList;

/** Prints the settings of this Cassandra with their former names and converters: the facts behind src/config/keys/*.txt. */
public class Settings {
    public static void main(String[] arguments) {
        TreeMap<String, String> settings = new TreeMap<>();
        for (Field field : Config.class.getFields()) {
            if (Modifier.isStatic(field.getModifiers()) || Modifier.isTransient(field.getModifiers())) continue;
            StringBuilder former = new StringBuilder();
            Replaces one = field.getAnnotation(Replaces.class);
            if (one != null) append(former, field, one);
            ReplacesList several = field.getAnnotation(ReplacesList.class);
            if (several != null) for (Replaces each : several.value()) append(former, field, each);
            settings.put(field.getName(), former.toString());
        }
        settings.forEach((name, former) -> System.out.println(name + former));
    }

    private static void append(StringBuilder out, Field field, Replaces former) {
        if (!former.oldName().equals(field.getName())) out.append(' ').append(former.oldName()).append('=').append(former.converter());
    }
}
